package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// backdate tolerates clocks that are behind ours.
const backdate = 5 * time.Minute

// Key is a private key. It hides itself from every way of printing, also where it
// is deep in another value, whose unexported fields fmt reads without asking: what
// is behind a pointer is not followed there.
type Key struct{ text *string }

const hidden = "[private key]"

// PEM is the key itself. It must not be logged or printed.
func (k Key) PEM() []byte {
	if k.text == nil {
		return nil
	}
	return []byte(*k.text)
}

// String hides the key.
func (Key) String() string { return hidden }

// Format hides the key from every verb, also from those that do not ask String.
func (Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, hidden) }

// MarshalText hides the key from JSON and YAML.
func (Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Pair is a certificate with its key and what to trust, all in PEM form.
type Pair struct {
	// Identity is the SPIFFE ID in the certificate.
	Identity string
	// Chain is the certificate and the intermediates that it must be sent with.
	Chain []byte
	Key   Key
	// Roots are what peers' certificates must lead to.
	Roots []byte
	// Issued and Expiry bound its life. Issued is when it was made, which is
	// later than what the certificate itself says.
	Issued, Expiry time.Time
}

// TLS is the pair as crypto/tls wants it.
func (p Pair) TLS() (*tls.Certificate, error) {
	cert, err := tls.X509KeyPair(p.Chain, p.Key.PEM())
	if err != nil {
		return nil, fmt.Errorf("read certificate of %s: %w", p.Identity, err)
	}
	return &cert, nil
}

// Issue makes a certificate for an identity with a new key. A validity of zero is
// the authority's own; no certificate outlives the CA.
func (a *Authority) Issue(identity string, validity time.Duration) (Pair, error) {
	id, err := a.parseIdentity(identity)
	if err != nil {
		return Pair{}, err
	}
	if validity == 0 {
		validity = a.options.Validity
	}
	pair, err := a.current().issue(id, time.Now(), validity)
	if err != nil {
		return Pair{}, fmt.Errorf("issue certificate of %s: %w", identity, err)
	}
	return pair, nil
}

// parseIdentity requires spiffe://TRUST-DOMAIN/ and a path of plain segments.
func (a *Authority) parseIdentity(identity string) (*url.URL, error) {
	prefix := "spiffe://" + a.options.TrustDomain + "/"
	path, found := strings.CutPrefix(identity, prefix)
	if !found {
		return nil, fmt.Errorf("issue certificate: identity %q does not begin with %s", identity, prefix)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Trim(segment, segmentChars) != "" {
			return nil, fmt.Errorf("issue certificate: identity %q has a segment that SPIFFE forbids", identity)
		}
	}
	return url.Parse(identity)
}

// segmentChars are what a segment of a SPIFFE ID's path may hold.
const segmentChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

func (m *material) issue(id *url.URL, now time.Time, validity time.Duration) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), URIs: []*url.URL{id},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(validity),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(m.expiry) {
		template.NotAfter = m.expiry
	}
	der, err := x509.CreateCertificate(rand.Reader, template, m.cert, key.Public(), m.key)
	if err != nil {
		return Pair{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Pair{}, err
	}
	if err := m.accepted(cert, now); err != nil {
		return Pair{}, err
	}
	text, err := encodeKey(key)
	return Pair{
		Identity: id.String(), Chain: append(encode([]*x509.Certificate{cert}), encode(m.chain)...), Key: text,
		Roots: m.rootsPEM, Issued: now, Expiry: cert.NotAfter,
	}, err
}

// accepted requires of a certificate what peers will, such as the name
// constraints of the CAs above it and that none of them has expired.
func (m *material) accepted(cert *x509.Certificate, now time.Time) error {
	between := x509.NewCertPool()
	for _, link := range m.chain {
		between.AddCert(link)
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: m.roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

func encodeKey(key *ecdsa.PrivateKey) (Key, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Key{}, err
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return Key{&text}, nil
}
