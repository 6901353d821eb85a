package judge

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/envoy"
)

func certificateChecks() []Check {
	return []Check{
		{
			ID: "certificate-valid", Hop: HopCertificate, test: testValid,
			Claim: "the workload certificates of both sides are valid now",
			Hint:  "istioctl proxy-config secret; clocks of the nodes",
		},
		{
			ID: "certificate-roots", Hop: HopCertificate, test: testRoots,
			Claim: "each side trusts the root of the other's workload certificates",
			Hint:  "istioctl proxy-config secret on both sides; secret cacerts in the namespace of istiod",
		},
		{
			ID: "certificate-trust-domain", Hop: HopCertificate, test: testTrustDomain,
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
	from, to := l.Consumer, l.Producer
	err := trust(from, to, l.Now)
	if err == nil {
		from, to = l.Producer, l.Consumer
		err = trust(from, to, l.Now)
	}
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Final: true,
		Seen:     fmt.Sprintf("%s does not trust the certificates of %s: their roots differ", from.Name, to.Name),
		Evidence: []string{roots(l.Consumer), roots(l.Producer)},
		Fix: fmt.Sprintf("give %s and %s intermediates of one root (eastwest trust check, then eastwest trust apply --replace-ca) and restart their workloads",
			l.Consumer.Name, l.Producer.Name),
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
