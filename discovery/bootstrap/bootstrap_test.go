package bootstrap

import (
	"crypto/x509"
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

const identity = "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/gateway-east"

// TestWhatServes: a certificate is kept for half of its life, as long as it is of
// the right identity and leads to the roots of now.
func TestWhatServes(t *testing.T) {
	t.Parallel()
	root := testca.Root(t)
	between := root.Intermediate(t)
	leaf := between.Leaf(t, identity, func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(24 * time.Hour) })
	early, late := leaf.Cert.NotBefore.Add(11*time.Hour), leaf.Cert.NotBefore.Add(13*time.Hour)
	good := func() *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "s"},
			Data: map[string][]byte{
				corev1.TLSCertKey: append(leaf.CertPEM(), between.CertPEM()...), corev1.TLSPrivateKeyKey: leaf.KeyPEM(t), caKey: root.CertPEM(),
			},
		}
	}
	for name, tc := range map[string]struct {
		change func(*corev1.Secret)
		now    time.Time
		want   bool
	}{
		"as issued":            {func(*corev1.Secret) {}, early, true},
		"half of its life on":  {func(*corev1.Secret) {}, late, false},
		"other roots":          {func(s *corev1.Secret) { s.Data[caKey] = testca.Root(t).CertPEM() }, early, false},
		"no key":               {func(s *corev1.Secret) { delete(s.Data, corev1.TLSPrivateKeyKey) }, early, false},
		"without intermediate": {func(s *corev1.Secret) { s.Data[corev1.TLSCertKey] = leaf.CertPEM() }, early, false},
		"of somebody else":     {func(s *corev1.Secret) { s.Data[corev1.TLSCertKey] = between.Leaf(t, identity+"-2").ChainPEM() }, early, false},
		"rubbish":              {func(s *corev1.Secret) { s.Data[corev1.TLSCertKey] = []byte("x") }, early, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keeper := &Keeper{Identity: identity, Roots: root.CertPEM, Log: slog.New(slog.DiscardHandler)}
			secret := good()
			tc.change(secret)
			if got := keeper.serves(secret, tc.now); got != tc.want {
				t.Errorf("serves: %v, want %v", got, tc.want)
			}
		})
	}
}
