package envoy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
)

// Identity is what a proxy shows to others and what it trusts.
type Identity struct {
	// Chain is its own certificate, leaf first.
	Chain []*x509.Certificate
	// Roots are the authorities it accepts.
	Roots []*x509.Certificate
}

// TrustDomain is that of the proxy's SPIFFE identity.
func (i Identity) TrustDomain() string {
	if len(i.Chain) == 0 {
		return ""
	}
	for _, uri := range i.Chain[0].URIs {
		if uri.Scheme == "spiffe" {
			return uri.Host
		}
	}
	return ""
}

// Fingerprint is the short form in which a certificate is shown.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:6])
}

type secretDump struct {
	Name   string `json:"name"`
	Secret struct {
		Certificate struct {
			Chain bytesDump `json:"certificate_chain"`
		} `json:"tls_certificate"`
		Validation struct {
			CA bytesDump `json:"trusted_ca"`
		} `json:"validation_context"`
	} `json:"secret"`
}

type bytesDump struct {
	Inline []byte `json:"inline_bytes"`
}

// ParseIdentity reads the answer to SecretsPath: the secrets `default` and
// `ROOTCA` of every Istio proxy.
func ParseIdentity(data []byte) (Identity, error) {
	dumps, err := decode[secretDump](data, "secrets")
	if err != nil {
		return Identity{}, err
	}
	var id Identity
	for _, d := range dumps {
		switch d.Name {
		case "default":
			id.Chain, err = certificates(d.Secret.Certificate.Chain.Inline)
		case "ROOTCA":
			id.Roots, err = certificates(d.Secret.Validation.CA.Inline)
		}
		if err != nil {
			return Identity{}, fmt.Errorf("decode Envoy's secret %s: %w", d.Name, err)
		}
	}
	return id, nil
}

func certificates(data []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			return all, nil
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
}
