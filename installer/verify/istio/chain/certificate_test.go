package chain_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func issue(t *testing.T, name string, by *authority) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: epoch, NotAfter: epoch.Add(24 * time.Hour), BasicConstraintsValid: true,
	}
	parent, signer := template, key
	if by == nil {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	} else {
		parent, signer = by.cert, by.key
		template.URIs = []*url.URL{{Scheme: "spiffe", Host: name, Path: "/ns/sample/sa/sleep"}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

// identity is of a leaf under the last root, trusting all of them.
func identity(t *testing.T, domain string, roots ...authority) *envoy.Identity {
	t.Helper()
	leaf := issue(t, domain, &roots[len(roots)-1])
	id := &envoy.Identity{Chain: []*x509.Certificate{leaf.cert}}
	for _, r := range roots {
		id.Roots = append(id.Roots, r.cert)
	}
	return id
}

func TestCertificateHop(t *testing.T) {
	t.Parallel()
	one, two := issue(t, "one", nil), issue(t, "two", nil)
	mine := identity(t, "cluster.local", one)
	cases := map[string]struct {
		change func(*chain.Link)
		want   verdict
	}{
		"one root": {func(*chain.Link) {}, verdict{"producer-answers", "west", false}},
		"two roots": {
			func(l *chain.Link) { l.Producer.Identity = identity(t, "cluster.local", two) }, verdict{"certificate-roots", "west", true},
		},
		"only one side trusts the other's root": {
			func(l *chain.Link) { l.Producer.Identity = identity(t, "cluster.local", one, two) }, verdict{"certificate-roots", "west", true},
		},
		"roots differ, and the gateway lags behind": {
			func(l *chain.Link) {
				l.Producer.Identity = identity(t, "cluster.local", two)
				l.Passthrough.Listeners[0].ServerNames = nil
			}, verdict{"certificate-roots", "west", true},
		},
		"an expired certificate": {
			func(l *chain.Link) { l.Now = epoch.Add(48 * time.Hour) }, verdict{"certificate-valid", "east", false},
		},
		"another trust domain": {
			func(l *chain.Link) {
				l.Producer.Identity = identity(t, "other.example", one)
				l.Consumer.Stats = envoy.Stats{"cluster." + envoy.ClusterName(host, 5000) + ";.ssl.fail_verify_san": 4}
			}, verdict{"certificate-trust-domain", "east", false},
		},
		"a side that could not be read": {
			func(l *chain.Link) { l.Producer.Identity = nil }, verdict{"producer-answers", "west", false},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, func(l *chain.Link) {
				l.Now = epoch.Add(time.Hour)
				l.Consumer.Identity, l.Producer.Identity = mine, identity(t, "cluster.local", one)
				c.change(l)
			}, c.want)
		})
	}
}
