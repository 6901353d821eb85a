// Package testca makes certificate authorities for tests: roots, intermediates,
// leaves, and folders of them in the layout of Istio's cacerts. It is for tests
// only and knows none of the packages that read what it makes.
package testca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TrustDomain is of all identities in tests that do not say otherwise.
const TrustDomain = "cluster.local"

// Signer is a certificate with its key.
type Signer struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
	// Above leads from the certificate that signed this one up to the root.
	Above []*x509.Certificate
}

// Root makes a self-signed CA; changes edit its template.
func Root(t testing.TB, changes ...func(*x509.Certificate)) *Signer {
	t.Helper()
	return sign(t, nil, authority("root"), changes)
}

// Intermediate makes a CA below this one.
func (s *Signer) Intermediate(t testing.TB, changes ...func(*x509.Certificate)) *Signer {
	t.Helper()
	return sign(t, s, authority("intermediate"), changes)
}

// Within has a CA sign identities of one trust domain alone, as the installer makes
// those of members without Istio.
func Within(domain string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical = true // of all constraints, says crypto/x509
		c.PermittedURIDomains = []string{domain}
	}
}

// Leaf makes a certificate for a SPIFFE ID, good for both ends of a connection.
func (s *Signer) Leaf(t testing.TB, identity string, changes ...func(*x509.Certificate)) *Signer {
	t.Helper()
	id, err := url.Parse(identity)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		URIs: []*url.URL{id}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	return sign(t, s, template, changes)
}

// CertPEM is the certificate alone.
func (s *Signer) CertPEM() []byte { return encode(s.Cert) }

// ChainPEM is the certificate and what leads to the root, the root included, as
// Istio's cert-chain.pem has it.
func (s *Signer) ChainPEM() []byte {
	return encode(append([]*x509.Certificate{s.Cert}, s.Above...)...)
}

// KeyPEM is the key.
func (s *Signer) KeyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// TLS is the certificate as crypto/tls wants it.
func (s *Signer) TLS() *tls.Certificate {
	chain := [][]byte{s.Cert.Raw}
	for _, above := range s.Above {
		chain = append(chain, above.Raw)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: s.Key, Leaf: s.Cert}
}

// Pool holds this certificate as a root.
func (s *Signer) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Cert)
	return pool
}

// Files are the four files of a CA's folder, by name. With roots, these are
// trusted instead of the signer's own.
func (s *Signer) Files(t testing.TB, roots ...*Signer) map[string][]byte {
	t.Helper()
	top := append([]*x509.Certificate{s.Cert}, s.Above...)
	trusted := encode(top[len(top)-1])
	if len(roots) > 0 {
		trusted = nil
	}
	for _, root := range roots {
		trusted = append(trusted, root.CertPEM()...)
	}
	return map[string][]byte{
		"ca-cert.pem": s.CertPEM(), "ca-key.pem": s.KeyPEM(t),
		"cert-chain.pem": s.ChainPEM(), "root-cert.pem": trusted,
	}
}

// Write puts files into a folder.
func Write(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
}

// sign issues a template, by its own key where there is no parent.
func sign(t testing.TB, parent *Signer, template *x509.Certificate, changes []func(*x509.Certificate)) *Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = serial, time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	for _, change := range changes {
		change(template)
	}
	made := &Signer{Key: key}
	signer, signature := template, key
	if parent != nil {
		signer, signature = parent.Cert, parent.Key
		made.Above = append([]*x509.Certificate{parent.Cert}, parent.Above...)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), signature)
	if err != nil {
		t.Fatal(err)
	}
	if made.Cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

func encode(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, cert := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return text
}
