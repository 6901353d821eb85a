package authority

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// material is a CA that was checked: it can sign what peers will accept.
type material struct {
	// files is the digest of what it was read from.
	files [sha256.Size]byte
	cert  *x509.Certificate
	key   crypto.Signer
	// chain leads from the CA towards the root, without the root: what a leaf
	// must be sent with.
	chain    []*x509.Certificate
	roots    *x509.CertPool
	rootsPEM []byte
	// expiry is the earliest end of the chain up to the root.
	expiry time.Time
}

// parse checks the files as strictly as peers will, so that a broken CA is found
// here and not in every handshake.
func parse(files folder, now time.Time) (*material, error) {
	cert, key, err := parseSigner(files)
	if err != nil {
		return nil, err
	}
	if err := valid(cert, now); err != nil {
		return nil, fmt.Errorf("%s: %w", caCertFile, err)
	}
	roots, err := parseRoots(files.roots)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rootsFile, err)
	}
	links, err := parseCertificates(files.chain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", chainFile, err)
	}
	made := &material{files: files.digest(), cert: cert, key: key, roots: x509.NewCertPool(), rootsPEM: encode(roots)}
	for _, root := range roots {
		made.roots.AddCert(root)
	}
	return made, made.lead(links, now)
}

// parseSigner reads the CA's certificate and its key.
func parseSigner(files folder) (*x509.Certificate, crypto.Signer, error) {
	certs, err := parseCertificates(files.caCert)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", caCertFile, err)
	}
	if !isCA(certs[0]) {
		return nil, nil, fmt.Errorf("%s: %s is not a CA certificate", caCertFile, certs[0].Subject)
	}
	// The causes are dropped: they are about the key's bytes.
	if block, _ := pem.Decode(files.caKey.PEM()); block == nil {
		return nil, nil, fmt.Errorf("%s: is no key in PEM form", caKeyFile)
	}
	pair, err := tls.X509KeyPair([]byte(files.caCert), files.caKey.PEM())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: cannot be read or does not belong to %s", caKeyFile, caCertFile)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("%s: cannot sign", caKeyFile)
	}
	return certs[0], key, nil
}

// lead finds the way from the CA to a root.
func (m *material) lead(links []*x509.Certificate, now time.Time) error {
	between := x509.NewCertPool()
	for _, link := range links {
		between.AddCert(link)
	}
	ways, err := m.cert.Verify(x509.VerifyOptions{
		Roots: m.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("%s does not lead over %s to %s: %w", caCertFile, chainFile, rootsFile, err)
	}
	way := ways[0]
	m.expiry = way[0].NotAfter
	for _, cert := range way {
		if cert.NotAfter.Before(m.expiry) {
			m.expiry = cert.NotAfter
		}
	}
	m.chain = way[:len(way)-1]
	return nil
}

// parseRoots reads the roots. Expired ones are let pass: beside a valid one they
// do no harm, and they are common while roots are exchanged.
func parseRoots(text string) ([]*x509.Certificate, error) {
	roots, err := parseCertificates(text)
	if err != nil {
		return nil, err
	}
	for _, root := range roots {
		if !isCA(root) {
			return nil, fmt.Errorf("%s is not a CA certificate", root.Subject)
		}
	}
	return roots, nil
}

// parseCertificates reads PEM that holds certificates and nothing else.
func parseCertificates(text string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	rest := []byte(text)
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a PEM block %q beside certificates", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs, rest = append(certs, cert), after
	}
	if strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("holds something that is no certificate in PEM form")
	}
	if len(certs) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return certs, nil
}

func isCA(cert *x509.Certificate) bool {
	signs := cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0
	return cert.BasicConstraintsValid && cert.IsCA && signs
}

func valid(cert *x509.Certificate, now time.Time) error {
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("%s expired on %s", cert.Subject, cert.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		return fmt.Errorf("%s is valid from %s only", cert.Subject, cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

func encode(certs []*x509.Certificate) []byte {
	var text []byte
	for _, cert := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return text
}
