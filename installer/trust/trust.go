// Package trust owns the CA material of a mesh: one root, one intermediate per
// member, and the Secret cacerts that istiod signs with. It makes and loads that
// material, reads from a member's objects what it trusts now, compares members,
// and plans what applying would change.
//
// It must not know how a cluster is reached: objects come in and go out as
// values, and nothing is written but files. Plans and findings are data; the
// command line prints them.
package trust

import (
	"fmt"
	"time"
)

// Names that istiod gives to its CA objects and their keys.
const (
	// Namespace is where istiod reads its CA from, unless it was moved.
	Namespace = "istio-system"
	// SecretName is the Secret of a plugged-in CA.
	SecretName = "cacerts"
	// SelfSignedSecretName is the Secret of the CA that istiod makes itself.
	SelfSignedSecretName = "istio-ca-secret"
	// RootConfigMapName is the ConfigMap of the roots that workloads trust.
	RootConfigMapName = "istio-ca-root-cert"

	caCertKey    = "ca-cert.pem"
	caKeyKey     = "ca-key.pem"
	rootCertKey  = "root-cert.pem"
	certChainKey = "cert-chain.pem"
	rootKeyFile  = "root-key.pem"

	// tlsCertKey, tlsKeyKey and tlsRootKey are the keys of a cacerts in the form of
	// kubernetes.io/tls, which istiod reads as well.
	tlsCertKey = "tls.crt"
	tlsKeyKey  = "tls.key"
	tlsRootKey = "ca.crt"
	// generatedKey marks a cacerts that istiod made for itself.
	generatedKey = "istio-generated"
)

// Codes of problems and findings. They are part of the interface.
const (
	// CodePath is an output path that may not be written.
	CodePath = "OutputPath"
	// CodeMaterial is CA material on disk that cannot be used.
	CodeMaterial = "CAMaterialInvalid"
	// CodeRootsDiffer means that members do not trust the same roots.
	CodeRootsDiffer = "RootsDiffer"
	// CodeRootsUnknown means that it cannot be seen what a member trusts.
	CodeRootsUnknown = "RootsUnknown"
	// CodeTrustDomain means that trust domains differ without aliases.
	CodeTrustDomain = "TrustDomainMismatch"
	// CodeExpired and CodeExpiresSoon are about certificates of a CA.
	CodeExpired     = "CAExpired"
	CodeExpiresSoon = "CAExpiresSoon"
	// CodeNotLoaded means that istiod has not taken up its cacerts yet.
	CodeNotLoaded = "CANotLoaded"
	// CodeInUse means that replacing a CA needs consent.
	CodeInUse = "CAInUse"
	// CodeElsewhere means that istiod does not sign with cacerts at all.
	CodeElsewhere = "CAElsewhere"
)

// ExpiryNotice is how long before its end a certificate of a CA is warned of.
const ExpiryNotice = 30 * 24 * time.Hour

// PrivateKey is a key as PEM. However it is printed, its content is not.
type PrivateKey []byte

// Format prints a placeholder for every verb.
func (PrivateKey) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("[private key]")) //nolint:errcheck // a formatter has nowhere to report it
}

// MarshalText replaces the key in JSON and YAML.
func (PrivateKey) MarshalText() ([]byte, error) { return []byte("[private key]"), nil }
