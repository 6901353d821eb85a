// Package chain owns the checks of a link between clusters that run Istio. It is
// pure: no cluster, no clock, no order of input matters. Collecting is the
// business of package istio.
//
// The chain from a consumer to a producer is walked in the order in which a
// request meets it: name, discovery, gateway, sni, certificate, policy,
// producer.
package chain

import (
	"slices"

	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
)

// The hops, in the order in which a request meets them.
const (
	HopName        judge.Hop = "name"
	HopDiscovery   judge.Hop = "discovery"
	HopGateway     judge.Hop = "gateway"
	HopSNI         judge.Hop = "sni"
	HopCertificate judge.Hop = "certificate"
	HopPolicy      judge.Hop = "policy"
	HopProducer    judge.Hop = "producer"
)

// Check is one thing that must be so for a link to work.
type Check = judge.Check[Link]

// Broken is a check that does not hold.
type Broken = judge.Broken

// Checks lists every check of a link, in the order they are judged.
func Checks() []Check {
	return slices.Concat(
		nameChecks(), discoveryChecks(), gatewayChecks(), sniChecks(),
		certificateChecks(), policyChecks(), producerChecks(),
	)
}

// First is the first broken hop of a link that does not answer. There always is
// one: the last check holds for no such link.
func First(l Link) judge.Verdict {
	checks := Checks()
	if l.endpoints() != nil {
		// Where discovery delivered, what may be wrong with it does not explain
		// the link; Standing tells it.
		checks = slices.DeleteFunc(checks, func(c Check) bool { return c.Hop == HopDiscovery })
	}
	verdict, _ := judge.First(checks, l)
	return verdict
}

// Standing is what is wrong with the discovery of a link whether or not its
// traffic flows: istiod remembers endpoints of a cluster that it lost.
func Standing(l Link) []judge.Verdict { return judge.All(discoveryChecks(), l) }
