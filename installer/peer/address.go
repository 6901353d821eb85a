package peer

import (
	"net/url"

	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
)

// Address is a way to reach a producer's API server.
type Address struct {
	Server        string
	CA            []byte
	TLSServerName string
	// Source says where it comes from: "--server", "kubeconfig", "cluster-info"
	// or "endpoints".
	Source string
}

// Target is what a probe dials: the version, which most API servers tell
// anyone. Any HTTP answer proves that the address and its certificate fit.
func (a Address) Target() podprobe.Target {
	return podprobe.Target{URL: a.Server + "/version", CA: a.CA, ServerName: a.TLSServerName}
}

// Usable splits addresses into those worth probing and those refused as they
// stand, with the reason: an address that leads back to the machine that uses
// it is no address for a peer.
func Usable(addresses []Address, allowLocal bool) (usable []Address, refused []Refusal) {
	seen := map[string]bool{}
	for _, address := range addresses {
		key := address.Server + "\x00" + string(address.CA)
		if seen[key] {
			continue
		}
		seen[key] = true
		if kubeconfig.IsLocal(address.Server) && !allowLocal {
			refused = append(refused, Refusal{Address: address, Reason: "it is a loopback address"})
			continue
		}
		if parsed, err := url.Parse(address.Server); err != nil || parsed.Scheme != "https" || parsed.Host == "" {
			refused = append(refused, Refusal{Address: address, Reason: "it is no https URL"})
			continue
		}
		usable = append(usable, address)
	}
	return usable, refused
}

// Refusal is an address that cannot be used, and why.
type Refusal struct {
	Address Address
	Reason  string
}
