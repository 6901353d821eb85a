package chain

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

func certificateChecks() []Check {
	return []Check{
		{
			ID: "certificate-roots", Hop: HopCertificate, Test: testRoots,
			Claim: "the agents of both sides issue certificates of one root",
			Hint:  "root-cert.pem in Secret eastwest-ca of each",
		},
		{
			ID: "certificate-valid", Hop: HopCertificate, Test: testValid,
			Claim: "the CAs of both agents are valid now",
			Hint:  "ca-cert.pem in Secret eastwest-ca of each",
		},
		{
			ID: "certificate-admitted", Hop: HopCertificate, Test: testAdmitted,
			Claim: "the producer knows the consumer, whose gateway it then lets in",
			Hint:  "a gateway admits the gateways of recorded members and no others",
		},
		{
			ID: "certificate-accepted", Hop: HopCertificate, Symptom: true, Test: testAccepted,
			Claim: "the consumer's gateway accepts the certificate of the producer's",
			Hint:  "ssl.fail_verify counters of its Envoy",
		},
	}
}

func testRoots(l Link) *Broken {
	// Named in one order whichever way the link goes: it is one fault.
	one, two := l.Consumer, l.Producer
	if two.Name < one.Name {
		one, two = two, one
	}
	mine, theirs := one.Facts.Authority.Roots, two.Facts.Authority.Roots
	if !l.gatewayed() || len(mine) == 0 || len(theirs) == 0 || slices.ContainsFunc(mine, func(root *x509.Certificate) bool {
		return slices.ContainsFunc(theirs, root.Equal)
	}) {
		return nil
	}
	return &Broken{
		Cluster: two.Name, Object: object("Secret", facts.AuthorityCA), Final: true,
		Seen:     fmt.Sprintf("%s and %s do not trust each other's certificates: their roots differ", one.Name, two.Name),
		Evidence: []string{roots(one), roots(two)},
		Fix:      "give all members CAs of one root: eastwest up --init-trust --replace-ca --trust-dir DIR",
	}
}

func roots(e End) string {
	var all []string
	for _, c := range e.Facts.Authority.Roots {
		sum := sha256.Sum256(c.Raw)
		all = append(all, fmt.Sprintf("%s (sha256 %s)", c.Subject, hex.EncodeToString(sum[:6])))
	}
	return fmt.Sprintf("roots in %s: %s", e.Name, strings.Join(all, ", "))
}

func testValid(l Link) *Broken {
	for _, e := range []End{l.Consumer, l.Producer} {
		expiry := e.Facts.Authority.Expiry
		if !l.gatewayed() || expiry.IsZero() || l.Now.Before(expiry) {
			continue
		}
		return &Broken{
			Cluster: e.Name, Object: object("Secret", facts.AuthorityCA), Final: true,
			Seen: fmt.Sprintf("the CA of the agent of %s expired on %s", e.Name, expiry.UTC().Format(time.RFC3339)),
			Fix:  "make new intermediates of the root: eastwest up --init-trust --replace-ca --trust-dir DIR",
		}
	}
	return nil
}

func testAdmitted(l Link) *Broken {
	record, found := l.Producer.Facts.Record(l.Consumer.Name)
	if !l.gatewayed() || !l.Producer.Facts.Knows(facts.PartRecords) || found && record.Invalid == "" {
		return nil
	}
	b := &Broken{
		Cluster: l.Producer.Name, Final: true, Evidence: append([]string{l.seenHosts()}, l.dialled()...),
		Seen: fmt.Sprintf("%s holds no record of %s, so its gateway lets none of its calls in", l.Producer.Name, l.Consumer.Name),
		Fix:  fmt.Sprintf("run eastwest up again for %s and %s: it writes the record", l.Consumer.Name, l.Producer.Name),
	}
	if found {
		b.Object, b.Seen = "Secret "+record.Secret.String(), fmt.Sprintf("the record of %s is unusable: %s", l.Consumer.Name, record.Invalid)
	}
	return b
}

func testAccepted(l Link) *Broken {
	if !l.gatewayed() || l.Egress.Refused == 0 || slices.ContainsFunc(l.Egress.Peers, func(h envoy.Host) bool { return h.Healthy }) {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: object("Pod", l.Egress.Pod), Evidence: []string{l.seenHosts()},
		Seen: fmt.Sprintf("the gateway of %s refused the certificate of the gateway of %s %d times", l.Consumer.Name, l.Producer.Name, l.Egress.Refused),
		Fix:  fmt.Sprintf("see that the record of %s in %s has its identity and that its gateway has a current certificate; eastwest up writes both", l.Producer.Name, l.Consumer.Name),
	}
}
