package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxCertificates bounds a bundle; the largest public ones have some hundreds.
const maxCertificates = 1000

// Fingerprint is the SHA-256 of a certificate, in hexadecimal.
type Fingerprint string

// Short is enough of a fingerprint to tell certificates apart by eye.
func (f Fingerprint) Short() string { return string(f[:min(len(f), 16)]) }

// Certificate is what a reader needs to know of one certificate.
type Certificate struct {
	Fingerprint Fingerprint `json:"fingerprint"`
	Subject     string      `json:"subject"`
	Issuer      string      `json:"issuer"`
	NotBefore   time.Time   `json:"notBefore"`
	NotAfter    time.Time   `json:"notAfter"`
}

func describe(cert *x509.Certificate) Certificate {
	return Certificate{
		Fingerprint: fingerprint(cert),
		Subject:     cert.Subject.String(), Issuer: cert.Issuer.String(),
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
	}
}

func fingerprint(cert *x509.Certificate) Fingerprint {
	sum := sha256.Sum256(cert.Raw)
	return Fingerprint(hex.EncodeToString(sum[:]))
}

// parseCertificates reads every certificate of a PEM bundle, each once, in
// order. Other blocks, such as keys, are passed over.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	seen := map[Fingerprint]bool{}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		if id := fingerprint(cert); !seen[id] {
			seen[id] = true
			certs = append(certs, cert)
		}
		if len(certs) > maxCertificates {
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in PEM form")
	}
	return certs, nil
}

// describeSet describes certificates in the order of their fingerprints, so
// that equal sets compare equal.
func describeSet(certs []*x509.Certificate) []Certificate {
	out := make([]Certificate, len(certs))
	for i, cert := range certs {
		out[i] = describe(cert)
	}
	slices.SortFunc(out, func(a, b Certificate) int { return cmp.Compare(a.Fingerprint, b.Fingerprint) })
	return out
}

func fingerprints(certs []Certificate) []Fingerprint {
	out := make([]Fingerprint, len(certs))
	for i, cert := range certs {
		out[i] = cert.Fingerprint
	}
	return out
}

// encodeCertificates is the PEM of certificates in order.
func encodeCertificates(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, cert := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return b.Bytes()
}

// isCA reports whether a certificate may sign others.
func isCA(cert *x509.Certificate) bool {
	signs := cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0
	return cert.BasicConstraintsValid && cert.IsCA && signs
}

// verifyChain requires that cert leads over chain to one of roots at now.
func verifyChain(cert *x509.Certificate, chain, roots []*x509.Certificate, now time.Time) error {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, root := range roots {
		options.Roots.AddCert(root)
	}
	for _, link := range chain {
		options.Intermediates.AddCert(link)
	}
	_, err := cert.Verify(options)
	return err
}
