// Package pki makes the certificates of a lab: the CA, server and client
// certificate of a cluster, and roots and intermediates of a mesh.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// lifetime is long enough that no lab outlives its certificates.
const lifetime = 10 * 365 * 24 * time.Hour

// Pair is a certificate and its key, in PEM and parsed.
type Pair struct {
	CertPEM, KeyPEM []byte

	cert *x509.Certificate
	key  crypto.Signer
}

// Leaf describes a certificate which a CA signs for a server or client.
type Leaf struct {
	CommonName   string
	Organization string
	DNSNames     []string
	IPs          []net.IP
}

// NewCA makes a self-signed CA for the API of a cluster.
func NewCA(name string) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make CA %s: %w", name, err)
	}
	return sign(caTemplate(name, nil), key, nil)
}

// NewRoot makes a self-signed root for a mesh, with an RSA key like Istio's own.
func NewRoot(name, organization string) (*Pair, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make root %s: %w", name, err)
	}
	return sign(caTemplate(name, []string{organization}), key, nil)
}

// Intermediate makes a CA below this one.
func (p *Pair) Intermediate(name, organization string) (*Pair, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make intermediate CA %s: %w", name, err)
	}
	return sign(caTemplate(name, []string{organization}), key, p)
}

// Issue signs a certificate good for both ends of a connection.
func (p *Pair) Issue(leaf Leaf) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("issue certificate %s: %w", leaf.CommonName, err)
	}
	t := template(pkix.Name{CommonName: leaf.CommonName})
	if leaf.Organization != "" {
		t.Subject.Organization = []string{leaf.Organization}
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames, t.IPAddresses = leaf.DNSNames, leaf.IPs
	return sign(t, key, p)
}

// Load parses a pair that was stored.
func Load(certPEM, keyPEM []byte) (*Pair, error) {
	cb, _ := pem.Decode(certPEM)
	kb, _ := pem.Decode(keyPEM)
	if cb == nil || kb == nil {
		return nil, fmt.Errorf("load certificate: no PEM data")
	}
	cert, err := x509.ParseCertificate(cb.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(kb.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("load key: %T cannot sign", key)
	}
	return &Pair{CertPEM: certPEM, KeyPEM: keyPEM, cert: cert, key: signer}, nil
}

// PublicKeyPEM is the public half of the pair's key.
func (p *Pair) PublicKeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func template(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	// An hour back, for clocks that differ.
	return &x509.Certificate{Subject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime)}
}

func caTemplate(name string, organization []string) *x509.Certificate {
	t := template(pkix.Name{CommonName: name, Organization: organization})
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	return t
}

// sign makes the certificate; without a parent it signs itself.
func sign(t *x509.Certificate, key crypto.Signer, parent *Pair) (*Pair, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	t.SerialNumber = serial
	issuer, issuerKey := t, key
	if parent != nil {
		issuer, issuerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, key.Public(), issuerKey)
	if err != nil {
		return nil, fmt.Errorf("sign certificate %s: %w", t.Subject.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key of %s: %w", t.Subject.CommonName, err)
	}
	return Load(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	)
}
