package translate

import (
	"net/netip"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Options are what a gateway's resources depend on besides the view. The zero
// value of every field but the first two is a default.
type Options struct {
	// TrustDomain is the mesh's: identities of another one are never let in nor
	// trusted.
	TrustDomain string
	// Roots are the mesh's roots, PEM.
	Roots []byte
	// Listeners are the ports of the gateway that lead to the ports of services. A
	// port of a service without one cannot be reached through the gateway.
	Listeners map[model.PortKey]uint16
	// Clients are identities that may enter, for services that do not admit every
	// member's gateway. Those that are of no member of the view are ignored, so that
	// nobody is admitted who has left, and a service may admit nobody.
	Clients map[model.ServiceKey][]string
	// Prefer is which members' endpoints are used first, for services of which nobody
	// says so.
	Prefer model.Preference
	// EndToEnd are the ports whose remote endpoints are checked up to a pod; the
	// others' only up to the remote gateway, and less often. WithinBudget picks them.
	EndToEnd map[model.PortKey]bool
	// Bind is the address that listeners are bound to. The zero value is 0.0.0.0;
	// :: takes IPv4, too.
	Bind netip.Addr
}

// bind is the address of all listeners.
func (o Options) bind() netip.Addr {
	if o.Bind.IsValid() {
		return o.Bind
	}
	return netip.IPv4Unspecified()
}
