package mesh

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/lab/internal/pki"
)

// CASecret is the Secret which istiod reads its CA from.
const CASecret = "cacerts"

const organization = "eastwest lab"

// CA is the signing certificate one istiod uses instead of its own.
type CA struct {
	signer *pki.Pair
	root   []byte
}

// SharedRoot loads the mesh's root from dir, or makes it there on first use.
func SharedRoot(dir string, write func(path string, data []byte, mode os.FileMode) error) (*pki.Pair, error) {
	certFile, keyFile := filepath.Join(dir, "root.crt"), filepath.Join(dir, "root.key")
	cert, certErr := os.ReadFile(certFile)
	key, keyErr := os.ReadFile(keyFile)
	if certErr == nil && keyErr == nil {
		return pki.Load(cert, key)
	}
	root, err := pki.NewRoot("lab mesh root", organization)
	if err != nil {
		return nil, err
	}
	// The certificate goes last: without it the key is made anew.
	if err := write(keyFile, root.KeyPEM, 0o600); err != nil {
		return nil, fmt.Errorf("store mesh root: %w", err)
	}
	if err := write(certFile, root.CertPEM, 0o644); err != nil {
		return nil, fmt.Errorf("store mesh root: %w", err)
	}
	return root, nil
}

// NewCA makes an intermediate CA for a cluster below root; without a root it
// makes one that no other cluster knows.
func NewCA(cluster string, root *pki.Pair) (*CA, error) {
	if root == nil {
		var err error
		if root, err = pki.NewRoot("lab root of "+cluster, organization); err != nil {
			return nil, err
		}
	}
	signer, err := root.Intermediate("lab CA of "+cluster, organization)
	if err != nil {
		return nil, err
	}
	return &CA{signer: signer, root: root.CertPEM}, nil
}

// Secret is the manifest of the Secret which istiod reads its CA from.
func (ca *CA) Secret() (string, error) {
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1",
		"kind":       "Secret",
		"metadata":   map[string]any{"name": CASecret, "namespace": Namespace},
		"stringData": map[string]string{
			"ca-cert.pem":    string(ca.signer.CertPEM),
			"ca-key.pem":     string(ca.signer.KeyPEM),
			"root-cert.pem":  string(ca.root),
			"cert-chain.pem": string(ca.signer.CertPEM) + string(ca.root),
		},
	})
	if err != nil {
		return "", fmt.Errorf("encode cacerts: %w", err)
	}
	return string(data), nil
}
