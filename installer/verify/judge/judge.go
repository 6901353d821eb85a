// Package judge turns what was seen of a link into a verdict: the first hop
// that is broken, the evidence for it and its fix. It owns the list of checks
// and the statistics of the shared service. It is pure: no cluster, no clock,
// no order of input matters. Collecting is the business of package verify.
//
// The chain from a consumer to a producer is walked in the order in which a
// request meets it: name, discovery, gateway, sni, certificate, policy,
// producer. A check breaks a link only on positive evidence that also explains
// what the request met. What nothing explains is told by the checks marked as
// symptoms, which name the place where it stops.
package judge

import (
	"slices"
)

// Hop is a stretch of the way from consumer to producer.
type Hop string

// The hops, in the order in which a request meets them.
const (
	HopName        Hop = "name"
	HopDiscovery   Hop = "discovery"
	HopGateway     Hop = "gateway"
	HopSNI         Hop = "sni"
	HopCertificate Hop = "certificate"
	HopPolicy      Hop = "policy"
	HopProducer    Hop = "producer"
)

// Check is one thing that must be so for a link to work.
type Check struct {
	// ID is stable: scripts and documents refer to it.
	ID  string
	Hop Hop
	// Claim is what holds in a working mesh, Hint where to read on or look.
	Claim, Hint string
	// Symptom says that it only tells where a request stops, as one proxy that
	// may lag behind sees it; a check that tells why goes before it.
	Symptom bool

	test func(Link) *Broken
}

// Broken is a check that does not hold.
type Broken struct {
	// Cluster is where it has to be mended, Object what.
	Cluster, Object string
	// Seen is what was found instead of the claim, Evidence the readings.
	Seen     string
	Evidence []string
	Fix      string
	// Final says that waiting longer cannot change it.
	Final bool
}

// Verdict is a broken check.
type Verdict struct {
	Check
	Broken
}

// Checks lists every check of a link, in the order they are judged.
func Checks() []Check {
	return slices.Concat(
		nameChecks(), discoveryChecks(), gatewayChecks(), sniChecks(),
		certificateChecks(), policyChecks(), producerChecks(),
	)
}

// First is the first broken hop of a link that does not answer. There always is
// one: the last check holds for no such link.
func First(l Link) Verdict {
	for _, symptom := range []bool{false, true} {
		for _, c := range Checks() {
			if c.Symptom != symptom || c.Hop == HopDiscovery && l.endpoints() != nil {
				// Where discovery delivered, what may be wrong with it does
				// not explain the link; Standing tells it.
				continue
			}
			if b := c.test(l); b != nil {
				return Verdict{Check: c, Broken: *b}
			}
		}
	}
	return Verdict{Check: unanswered(), Broken: *testAnswers(l)}
}

// Standing is what is wrong with the discovery of a link whether or not its
// traffic flows: istiod remembers endpoints of a cluster that it lost.
func Standing(l Link) []Verdict {
	var all []Verdict
	for _, c := range discoveryChecks() {
		if b := c.test(l); b != nil {
			all = append(all, Verdict{Check: c, Broken: *b})
		}
	}
	return all
}
