package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

func TestIssue(t *testing.T) {
	t.Parallel()
	root := testca.Root(t)
	a, _ := open(t, root.Intermediate(t))
	pair, err := a.Issue(gateway, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(t, pair, root, time.Now()); err != nil {
		t.Errorf("a peer that trusts the root: %v", err)
	}
	certs := certificates(t, pair.Chain)
	if len(certs) != 2 {
		t.Fatalf("%d certificates in the chain, want the leaf and its intermediate", len(certs))
	}
	leaf := certs[0]
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != gateway || len(leaf.DNSNames) != 0 {
		t.Errorf("names %v %v, want only %s", leaf.URIs, leaf.DNSNames, gateway)
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || leaf.IsCA {
		t.Errorf("key %T, CA %v: want a leaf on P-256", leaf.PublicKey, leaf.IsCA)
	}
	if life := leaf.NotAfter.Sub(pair.Issued).Round(time.Minute); life != 24*time.Hour || leaf.NotBefore.After(time.Now().Add(-time.Minute)) {
		t.Errorf("valid from %s for %s, want a little before now and 24 h", leaf.NotBefore, life)
	}
	if diff := cmp.Diff(string(root.CertPEM()), string(pair.Roots)); diff != "" {
		t.Errorf("roots: %s", diff)
	}
	if _, err := pair.TLS(); err != nil {
		t.Error(err)
	}
}

func TestIssueFollowsTheCA(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(2 * time.Hour).Truncate(time.Second)
	for name, tc := range map[string]struct {
		ca     func(t *testing.T) *testca.Signer
		asked  time.Duration
		expiry time.Time
		links  int
	}{
		"a leaf does not outlive its CA": {
			ca: func(t *testing.T) *testca.Signer {
				return testca.Root(t).Intermediate(t, func(c *x509.Certificate) { c.NotAfter = soon })
			},
			expiry: soon.UTC(), links: 2,
		},
		"nor the root above": {
			ca: func(t *testing.T) *testca.Signer {
				return testca.Root(t, func(c *x509.Certificate) { c.NotAfter = soon }).Intermediate(t)
			},
			expiry: soon.UTC(), links: 2,
		},
		"a root that issues by itself is not sent": {
			ca:    func(t *testing.T) *testca.Signer { return testca.Root(t) },
			links: 1,
		},
		"every intermediate is sent": {
			ca:    func(t *testing.T) *testca.Signer { return testca.Root(t).Intermediate(t).Intermediate(t) },
			links: 3,
		},
		"a bootstrap certificate lives as long as asked": {
			ca:    func(t *testing.T) *testca.Signer { return testca.Root(t).Intermediate(t) },
			asked: time.Hour, links: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t, tc.ca(t))
			pair, err := a.Issue(gateway, tc.asked)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(certificates(t, pair.Chain)); got != tc.links {
				t.Errorf("%d certificates, want %d", got, tc.links)
			}
			if !tc.expiry.IsZero() && !pair.Expiry.Equal(tc.expiry) {
				t.Errorf("expires %s, want %s", pair.Expiry, tc.expiry)
			}
			if tc.asked > 0 && pair.Expiry.Sub(pair.Issued) > tc.asked {
				t.Errorf("lives %s, want %s", pair.Expiry.Sub(pair.Issued), tc.asked)
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	a, _ := open(t, testca.Root(t).Intermediate(t))
	for name, identity := range map[string]string{
		"another trust domain":         "spiffe://evil/ns/a/sa/b",
		"a longer trust domain":        "spiffe://cluster.local.evil/ns/a/sa/b",
		"no path":                      "spiffe://cluster.local/",
		"an empty segment":             "spiffe://cluster.local/ns//sa/b",
		"a way up":                     "spiffe://cluster.local/ns/../sa/b",
		"a query":                      "spiffe://cluster.local/ns/a?b",
		"an escape":                    "spiffe://cluster.local/ns/a%2Fb",
		"a host with another spelling": "spiffe://CLUSTER.LOCAL/ns/a",
		"no SPIFFE ID":                 "gateway-east",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if pair, err := a.Issue(identity, 0); err == nil {
				t.Errorf("issued %s", pair.Identity)
			}
		})
	}
}

func TestIssueRefusesWhatPeersWould(t *testing.T) {
	t.Parallel()
	a, _ := open(t, testca.Root(t).Intermediate(t, func(c *x509.Certificate) {
		c.PermittedURIDomains, c.PermittedDNSDomainsCritical = []string{"other.local"}, true
	}))
	if _, err := a.Issue(gateway, 0); err == nil {
		t.Error("issued outside the CA's name constraints")
	}
}

func TestKeysHide(t *testing.T) {
	t.Parallel()
	a, dir := open(t, testca.Root(t).Intermediate(t))
	pair, err := a.Issue(gateway, 0)
	if err != nil {
		t.Fatal(err)
	}
	rotating, err := a.Rotating(gateway, 0)
	if err != nil {
		t.Fatal(err)
	}
	files, err := readFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	inJSON, err := json.Marshal(pair)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(inJSON), pair.Key.String()}
	for _, value := range []any{pair, &pair, a, rotating, a.current(), *a.current(), files, struct{ inner Pair }{pair}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
	}
	secret := strings.Split(string(pair.Key.PEM()), "\n")[1]
	for _, text := range texts {
		for _, leak := range []string{secret, "PRIVATE KEY", fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprint([]byte("PRIVATE KEY")), "[]")} {
			if strings.Contains(text, leak) {
				t.Errorf("shows a key: %.300s", text)
			}
		}
	}
}
