package chain

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
)

func certificateChecks() []Check {
	return []Check{
		{
			ID: "certificate-valid", Hop: HopCertificate, Test: testValid,
			Claim: "the workload certificates of both sides are valid now",
			Hint:  "istioctl proxy-config secret; clocks of the nodes",
		},
		{
			ID: "certificate-roots", Hop: HopCertificate, Test: testRoots,
			Claim: "each side trusts the root of the other's workload certificates",
			Hint:  "istioctl proxy-config secret on both sides; secret cacerts in the namespace of istiod",
		},
		{
			ID: "certificate-trust-domain", Hop: HopCertificate, Test: testTrustDomain,
			Claim: "the producer's identity is in a trust domain the consumer accepts",
			Hint:  "meshConfig.trustDomain and trustDomainAliases",
		},
	}
}

// trust says why one side would refuse the other's certificate; nil if it would
// not, or if one of them could not be read.
func trust(from, to End, now time.Time) error {
	if from.Identity == nil || to.Identity == nil || len(from.Identity.Roots) == 0 || len(to.Identity.Chain) == 0 {
		return nil
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, root := range from.Identity.Roots {
		options.Roots.AddCert(root)
	}
	for _, middle := range to.Identity.Chain[1:] {
		options.Intermediates.AddCert(middle)
	}
	_, err := to.Identity.Chain[0].Verify(options)
	return err
}

func testValid(l Link) *Broken {
	for _, e := range []End{l.Consumer, l.Producer} {
		if e.Identity == nil || len(e.Identity.Chain) == 0 {
			continue
		}
		leaf := e.Identity.Chain[0]
		if l.Now.Before(leaf.NotAfter) && !l.Now.Before(leaf.NotBefore) {
			continue
		}
		return &Broken{
			Cluster: e.Name, Object: "Pod " + e.Namespace + "/" + e.Pod.Name,
			Seen: fmt.Sprintf("the certificate of a new pod in %s is valid from %s to %s, and it is %s", e.Name,
				leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339), l.Now.UTC().Format(time.RFC3339)),
			Fix: fmt.Sprintf("compare the clocks of the nodes of %s and see whether its CA still signs (log of istiod)", e.Name),
		}
	}
	return nil
}

func testRoots(l Link) *Broken {
	if l.Self() {
		return nil
	}
	// Named in one order whichever way the link goes: it is one fault.
	one, two := l.Consumer, l.Producer
	if two.Name < one.Name {
		one, two = two, one
	}
	err := trust(one, two, l.Now)
	if err == nil {
		err = trust(two, one, l.Now)
	}
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		return nil
	}
	return &Broken{
		Cluster: two.Name, Final: true,
		Seen:     fmt.Sprintf("%s and %s do not trust each other's certificates: their roots differ", one.Name, two.Name),
		Evidence: []string{roots(one), roots(two)},
		Fix:      "give all members intermediates of one root (eastwest trust check shows who differs, then eastwest trust apply --replace-ca) and restart their workloads",
	}
}

func roots(e End) string {
	var all []string
	for _, c := range e.Identity.Roots {
		all = append(all, fmt.Sprintf("%s (sha256 %s)", c.Subject, envoy.Fingerprint(c)))
	}
	return fmt.Sprintf("roots in %s: %s", e.Name, strings.Join(all, ", "))
}

func testTrustDomain(l Link) *Broken {
	name := envoy.ClusterName(l.Host, l.Port)
	count := l.Consumer.Stats.Cluster(name, "ssl.fail_verify_san")
	if count == 0 || l.Consumer.Identity == nil || l.Producer.Identity == nil {
		return nil
	}
	mine, theirs := l.Consumer.Identity.TrustDomain(), l.Producer.Identity.TrustDomain()
	return &Broken{
		Cluster: l.Consumer.Name,
		Seen:    fmt.Sprintf("%s refuses the identity of the pod in %s: trust domain %q, its own is %q", l.Consumer.Name, l.Producer.Name, theirs, mine),
		Evidence: []string{
			fmt.Sprintf("ssl.fail_verify_san of %s is %d", name, count),
		},
		Fix: fmt.Sprintf("set one meshConfig.trustDomain in all members, or add %s to trustDomainAliases in %s", theirs, l.Consumer.Name),
	}
}
