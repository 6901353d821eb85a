package kubeconfig

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"time"
)

// caFix is the fix line for a missing certificate authority. Clusters behind a
// publicly trusted certificate often have none in their kubeconfig.
const caFix = "add the CA that issued the API server's certificate: kubectl config set-cluster NAME --certificate-authority=FILE --embed-certs"

// usableCAs returns the certificates of a bundle that may vouch for a server at
// now, as PEM. Others in the bundle are left out, as an old CA is after a
// rotation; a bundle without any usable one is rejected with the reason.
func usableCAs(data []byte, now time.Time) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, reject(CodeCA, "the cluster has no certificate authority, and system roots are not used").WithFix(caFix)
	}
	var usable bytes.Buffer
	var reason error
	found := 0
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found++
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, reject(CodeCA, "certificate %d of the certificate authority cannot be parsed", found).WithFix(caFix)
		}
		if err := checkCA(cert, now); err != nil {
			reason = err
			continue
		}
		if err := pem.Encode(&usable, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return nil, err
		}
	}
	switch {
	case found == 0:
		return nil, reject(CodeCA, "the certificate authority is not PEM with a certificate in it").WithFix(caFix)
	case usable.Len() == 0:
		return nil, reason
	}
	return usable.Bytes(), nil
}

// checkCA is the reason why a certificate cannot be a CA now.
func checkCA(cert *x509.Certificate, now time.Time) error {
	const day = time.DateOnly
	switch {
	case !mayIssue(cert):
		return reject(CodeCA, "the certificate authority is not a CA certificate but that of a server or user").WithFix(caFix)
	case now.After(cert.NotAfter):
		return reject(CodeCA, "the certificate authority expired on %s", cert.NotAfter.UTC().Format(day)).WithFix(caFix)
	case now.Before(cert.NotBefore):
		return reject(CodeCA, "the certificate authority is not valid before %s", cert.NotBefore.UTC().Format(time.RFC3339)).
			WithFix("check the clock of this machine")
	}
	return nil
}

// mayIssue reports whether a certificate is a CA. Those of X.509 version 1 know
// no such flag; they count where they are self-signed.
func mayIssue(cert *x509.Certificate) bool {
	if cert.Version < 3 {
		return bytes.Equal(cert.RawSubject, cert.RawIssuer)
	}
	signs := cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0
	return cert.BasicConstraintsValid && cert.IsCA && signs
}
