package trust

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
	"net/url"
	"time"
)

// KeyType is the kind of key a CA signs with. istiod takes both.
type KeyType string

const (
	// ECDSA is a P-256 key: small certificates and cheap signatures.
	ECDSA KeyType = "ecdsa-p256"
	// RSA is a 4096-bit key, as in Istio's own example, for tools that know no other.
	RSA KeyType = "rsa-4096"
)

const (
	// organizationalUnit marks certificates made here.
	organizationalUnit = "eastwest"
	// backdate tolerates clocks that are behind ours.
	backdate = time.Hour
	rsaBits  = 4096
)

// authority is a certificate with the key to sign with it.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// template is what root and intermediates have in common.
func (o Options) template(mesh, name string, validity time.Duration) *x509.Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{
			Organization: []string{mesh}, OrganizationalUnit: []string{organizationalUnit}, CommonName: name,
		},
		NotBefore: o.Now.Add(-backdate), NotAfter: o.Now.Add(validity),
		BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	if o.TrustDomain != "" {
		template.URIs = []*url.URL{{Scheme: "spiffe", Host: o.TrustDomain}}
	}
	return template
}

// issueRoot makes a self-signed root.
func (o Options) issueRoot(mesh string) (authority, error) {
	key, err := newKey(o.KeyType)
	if err != nil {
		return authority{}, err
	}
	template := o.template(mesh, "root CA", o.Validity)
	cert, err := sign(template, authority{template, key}, key.Public())
	return authority{cert, key}, err
}

// issueIntermediate makes the CA of one cluster. It cannot outlive its root, and
// it cannot make further CAs.
func (o Options) issueIntermediate(mesh, cluster string, root authority) (authority, error) {
	key, err := newKey(o.KeyType)
	if err != nil {
		return authority{}, err
	}
	template := o.template(mesh, "intermediate CA", o.IntermediateValidity)
	template.Subject.Locality = []string{cluster}
	template.MaxPathLenZero = true
	if o.Within != "" {
		template.PermittedDNSDomainsCritical = true // of all constraints, says crypto/x509
		template.PermittedURIDomains = []string{o.Within}
	}
	if template.NotAfter.After(root.cert.NotAfter) {
		template.NotAfter = root.cert.NotAfter
	}
	cert, err := sign(template, root, key.Public())
	return authority{cert, key}, err
}

// sign gives a template a random serial number and issues it.
func sign(template *x509.Certificate, parent authority, public crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, public, parent.key)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

func newKey(kind KeyType) (crypto.Signer, error) {
	switch kind {
	case ECDSA:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return nil, fmt.Errorf("unknown key type %q", kind)
}

func encodeKey(key crypto.Signer) (PrivateKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
