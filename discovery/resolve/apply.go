package resolve

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Reasons of problems.
const (
	// Unresolved: a name has no address that is known, or is not known to still have
	// those in use.
	Unresolved = "GatewayUnresolved"
	// Denied: a name stands for an address that cannot be the member's.
	Denied = "GatewayDenied"
)

// Problem is why a name is not dialled, or is dialled where it was before.
type Problem struct {
	Reason, Message string
}

// Apply returns gateways with the addresses of names in their places, and without
// names that have none. It is pure. As with addresses that a member says itself,
// one that cannot be the member's withholds all of them: traffic for it would go to
// somebody else.
func Apply(gateways []model.HostPort, declared []netip.Prefix, answers Answers) ([]model.HostPort, []Problem) {
	asked := firstNames(gateways)
	if len(asked) == 0 {
		return gateways, nil
	}
	var out []model.HostPort
	var problems []Problem
	for _, gateway := range gateways {
		if _, isIP := gateway.IP(); isIP {
			out = append(out, gateway)
			continue
		}
		if !slices.Contains(asked, gateway.Host) {
			problems = append(problems, Problem{Unresolved, fmt.Sprintf("gateway %s is not looked up: the member has more than %d names", gateway, maxNames)})
			continue
		}
		answer, known := answers[gateway.Host]
		if text := unresolved(answer, known); text != "" {
			problems = append(problems, Problem{Unresolved, fmt.Sprintf("gateway %s %s", gateway, text)})
		}
		for _, ip := range answer.Addresses {
			if reason := denied(ip, declared); reason != "" {
				return nil, []Problem{{Denied, fmt.Sprintf("gateway %s has the address %s, which %s", gateway, ip, reason)}}
			}
			out = append(out, model.HostPort{Host: ip.String(), Port: gateway.Port, Name: gateway.Host})
		}
	}
	return out, problems
}

// unresolved is what is wrong with an answer; empty where nothing is.
func unresolved(answer Answer, known bool) string {
	switch {
	case !known:
		return "is being looked up"
	case answer.Failure == "":
		return ""
	case len(answer.Addresses) > 0:
		return "is dialled at the addresses it had: " + answer.Failure
	}
	return "has no address: " + answer.Failure
}

// denied is why an address cannot be one of the member's gateways.
func denied(ip netip.Addr, declared []netip.Prefix) string {
	switch {
	case !model.Elsewhere(ip):
		return "cannot be one of another cluster"
	case !model.Within(declared, ip):
		return "is not in the gateway CIDRs of the member's record"
	}
	return ""
}

// Split takes Apply back: it returns gateways with names in the places of their
// addresses, and those addresses by name, as Options.Known takes them.
func Split(gateways []model.HostPort) ([]model.HostPort, map[string][]netip.Addr) {
	var out []model.HostPort
	known := map[string][]netip.Addr{}
	for _, gateway := range gateways {
		ip, isIP := gateway.IP()
		if gateway.Name == "" || !isIP {
			out = append(out, gateway)
			continue
		}
		if !slices.Contains(known[gateway.Name], ip) {
			known[gateway.Name] = append(known[gateway.Name], ip)
		}
		if named := (model.HostPort{Host: gateway.Name, Port: gateway.Port}); !slices.Contains(out, named) {
			out = append(out, named)
		}
	}
	return out, known
}

// Answered reports whether every name among gateways that is looked up has been, or
// has addresses of before.
func Answered(gateways []model.HostPort, answers Answers) bool {
	return !slices.ContainsFunc(firstNames(gateways), func(name string) bool {
		_, known := answers[name]
		return !known
	})
}
