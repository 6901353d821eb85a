// Package chain owns the checks of a link between clusters whose gateways our
// agent drives. It is pure: no cluster, no clock, no order of input matters.
// Collecting is the business of package plain.
//
// The chain is walked in the order in which a request, and what has to be known
// for it, meets it: name, export, agent, derived, egress, gateway, certificate,
// sni, producer. Egress is the consumer's own gateway, gateway the producer's as
// peers dial it.
package chain

import (
	"slices"

	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
)

// The hops, in the order in which a request meets them.
const (
	HopName        judge.Hop = "name"
	HopExport      judge.Hop = "export"
	HopAgent       judge.Hop = "agent"
	HopDerived     judge.Hop = "derived"
	HopEgress      judge.Hop = "egress"
	HopGateway     judge.Hop = "gateway"
	HopCertificate judge.Hop = "certificate"
	HopSNI         judge.Hop = "sni"
	HopProducer    judge.Hop = "producer"
)

// Check is one thing that must be so for a link to work.
type Check = judge.Check[Link]

// Broken is a check that does not hold.
type Broken = judge.Broken

// Checks lists every check of a link, in the order they are judged.
func Checks() []Check {
	return slices.Concat(
		nameChecks(), exportChecks(), agentChecks(), derivedChecks(), egressChecks(),
		gatewayChecks(), certificateChecks(), sniChecks(), producerChecks(),
	)
}

// First is the first broken hop of a link that does not answer. There always is
// one: the last check holds for no such link.
func First(l Link) judge.Verdict {
	checks := Checks()
	if l.delivered() {
		// Where the agent delivered, what may be wrong with it does not explain
		// the link; Standing tells it.
		checks = slices.DeleteFunc(checks, func(c Check) bool { return c.Hop == HopAgent && c.ID != producersAgent })
	}
	verdict, _ := judge.First(checks, l)
	return verdict
}

// Standing is what is wrong with what a consumer learns of a producer, whether or
// not traffic flows: gateways go on with what they were told last.
func Standing(l Link) []judge.Verdict {
	return judge.All(slices.DeleteFunc(agentChecks(), func(c Check) bool { return c.ID == producersAgent }), l)
}
