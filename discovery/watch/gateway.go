package watch

import (
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// gatewaysLocked are the addresses that peers dial. An address that cannot be the
// member's withholds all of them: traffic for the member would go to somebody else.
func (o *offers) gatewaysLocked(s *session) []model.HostPort {
	o.gatewayProblem = nil
	if len(s.policy.advertised) > 0 {
		return s.policy.advertised
	}
	if s.table.gateway == nil {
		return nil
	}
	for _, address := range s.table.gateway.addresses {
		if reason := foreign(address.Host, s.policy.gateways); reason != "" {
			o.gatewayProblem = &Problem{Reason: ProblemGateway, Withheld: true, Message: fmt.Sprintf("gateway address %.80q %s", address.Host, reason)}
			return nil
		}
	}
	return s.table.gateway.addresses
}

// foreign is why an address cannot be taken for a gateway's. What a name stands for
// is looked at when it is known.
func foreign(host string, declared []netip.Prefix) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && !model.Elsewhere(ip):
		return "cannot be one of another cluster"
	case err == nil && !model.Within(declared, ip):
		return "is not in the gateway CIDRs of the member's record"
	case err == nil:
		return ""
	case len(validation.IsDNS1123Subdomain(host)) > 0 || !strings.Contains(host, "."):
		return "is not a DNS name of a public form"
	}
	for _, own := range []string{".localhost", ".local", ".svc", ".localdomain"} {
		if strings.HasSuffix(host, own) {
			return "is a name that means something else in every cluster"
		}
	}
	return ""
}
