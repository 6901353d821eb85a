package trust

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Material is the CA material of a mesh.
type Material struct {
	// Root holds the roots as PEM; one, unless the operator brought more.
	Root []byte
	// RootKey signs further intermediates. It is empty where it is kept elsewhere.
	RootKey PrivateKey
	// Intermediates by member name.
	Intermediates map[string]Intermediate
	// Warnings are about what still works: loose permissions, an end that is near.
	Warnings []string
}

// Intermediate is what one istiod signs with, as PEM.
type Intermediate struct {
	// Cluster is the member's name.
	Cluster string
	// Cert is the intermediate and Key belongs to it.
	Cert []byte
	Key  PrivateKey
	// Root are the roots, Chain the way from Cert to them with both ends.
	Root, Chain []byte
}

// CACerts is the Secret that istiod in namespace reads its CA from; an empty
// namespace is istio-system.
func CACerts(in Intermediate, namespace string) *corev1.Secret {
	if namespace == "" {
		namespace = Namespace
	}
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: SecretName},
		Type:       corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			caCertKey: in.Cert, caKeyKey: in.Key, rootCertKey: in.Root, certChainKey: in.Chain,
		},
	}
}

// AgentSecretName is the Secret that an agent reads its CA from. It is laid out
// like istiod's.
const AgentSecretName = "eastwest-ca"

// AgentCA is the Secret that the agent in namespace reads its CA from.
func AgentCA(in Intermediate, namespace string) *corev1.Secret {
	secret := CACerts(in, namespace)
	secret.Name = AgentSecretName
	return secret
}

// RootOf are the roots in the Secret of a CA, as PEM.
func RootOf(secret *corev1.Secret) []byte { return secret.Data[rootCertKey] }

// newIntermediate encodes an issued CA as the material of a cluster.
func newIntermediate(cluster string, issued authority, roots []byte, root *x509.Certificate) (Intermediate, error) {
	key, err := encodeKey(issued.key)
	if err != nil {
		return Intermediate{}, err
	}
	return Intermediate{
		Cluster: cluster, Cert: encodeCertificates(issued.cert), Key: key,
		Root: roots, Chain: encodeCertificates(issued.cert, root),
	}, nil
}

// check requires all that istiod does of a cacerts, and that it is of these
// roots. The warning is about an end that is near.
func (i Intermediate) check(roots []Certificate, now time.Time) (warning string, err error) {
	cert, err := signer(i.Cert, i.Key)
	if err != nil {
		return "", err
	}
	if warning, err = ends(cert, now); err != nil {
		return "", err
	}
	own, err := parseCertificates(i.Root)
	if err != nil {
		return "", fmt.Errorf("%s: %w", rootCertKey, err)
	}
	if !slices.Equal(fingerprints(describeSet(own)), fingerprints(roots)) {
		return "", fmt.Errorf("%s is not the root of this mesh", rootCertKey)
	}
	chain, err := parseCertificates(i.Chain)
	if err != nil {
		return "", fmt.Errorf("%s: %w", certChainKey, err)
	}
	if err := verifyChain(cert, chain, own, now); err != nil {
		return "", fmt.Errorf("%s does not lead to the root: %w", caCertKey, err)
	}
	return warning, nil
}

// signer parses a CA certificate whose key is at hand.
func signer(cert []byte, key PrivateKey) (*x509.Certificate, error) {
	certs, err := parseCertificates(cert)
	if err != nil {
		return nil, err
	}
	if !isCA(certs[0]) {
		return nil, fmt.Errorf("%s is not a CA certificate", certs[0].Subject)
	}
	// The cause is dropped: it is about the key's bytes.
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return nil, errors.New("the key is no PEM key or does not belong to the certificate")
	}
	return certs[0], nil
}

// parseAuthority is a root with its key, to sign with.
func parseAuthority(cert []byte, key PrivateKey) (authority, error) {
	parsed, err := signer(cert, key)
	if err != nil {
		return authority{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return authority{}, errors.New("the key does not belong to the certificate")
	}
	private, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return authority{}, errors.New("the key cannot sign")
	}
	return authority{parsed, private}, nil
}

// ends is a warning where a certificate ends soon, and an error where it has.
func ends(cert *x509.Certificate, now time.Time) (warning string, err error) {
	day := cert.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case !now.Before(cert.NotAfter):
		return "", fmt.Errorf("%s expired on %s", cert.Subject, day)
	case now.Add(ExpiryNotice).After(cert.NotAfter):
		return fmt.Sprintf("%s expires on %s", cert.Subject, day), nil
	}
	return "", nil
}
