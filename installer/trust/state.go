package trust

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Objects are what a member's trust is read from. Private keys in them are
// neither looked at nor kept.
type Objects struct {
	// RootPEM is root-cert.pem of ConfigMap istio-ca-root-cert; nil if absent.
	RootPEM []byte
	// CACerts is the data of Secret cacerts, with or without the key; nil if absent.
	CACerts map[string][]byte
	// SelfSigned is true where Secret istio-ca-secret exists, and SelfSignedPEM
	// its ca-cert.pem, if it is at hand.
	SelfSigned    bool
	SelfSignedPEM []byte
	// MeshRoots are the certificates in meshConfig.caCertificates, if there are any.
	MeshRoots []byte
	// ProxyRoots are the roots a live proxy has, if one was asked. They outrank
	// what the objects say.
	ProxyRoots []byte
	// Env is the environment of istiod.
	Env map[string]string
	// ProxyMetadata is meshConfig.defaultConfig.proxyMetadata, and CAAddress
	// values.global.caAddress of the injector.
	ProxyMetadata map[string]string
	CAAddress     string
	// TrustDomain of the mesh config, cluster.local if empty, and its aliases.
	TrustDomain        string
	TrustDomainAliases []string
}

// State is what a member trusts and signs with now.
type State struct {
	Kind Kind `json:"kind"`
	// Provider is the address, pool or signer of a CA other than istiod.
	Provider string `json:"provider,omitempty"`
	// Roots are what workloads trust, sorted by fingerprint; empty where it
	// cannot be seen.
	Roots []Certificate `json:"roots,omitempty"`
	// Signer is the certificate that istiod signs with, if it can be seen, and
	// Chain its way to the root.
	Signer *Certificate  `json:"signer,omitempty"`
	Chain  []Certificate `json:"chain,omitempty"`
	// Loaded is false where cacerts holds another root than istiod gives out,
	// because it was not restarted since.
	Loaded bool `json:"loaded"`
	// MultiRoot is true where istiod was told that members have several roots.
	MultiRoot bool `json:"multiRoot,omitempty"`
	// PeerRoots are those that MultiRoot adds.
	PeerRoots          []Certificate `json:"peerRoots,omitempty"`
	TrustDomain        string        `json:"trustDomain"`
	TrustDomainAliases []string      `json:"trustDomainAliases,omitempty"`
	// Unreadable says why some of it could not be parsed.
	Unreadable []string `json:"unreadable,omitempty"`

	// plugged are the certificates of cacerts.
	plugged bundle
}

// bundle are the certificates of a cacerts.
type bundle struct {
	signer       *x509.Certificate
	chain, roots []*x509.Certificate
}

// PublicData is the data of a Secret without its private keys.
func PublicData(secret *corev1.Secret) map[string][]byte {
	if secret == nil {
		return nil
	}
	public := map[string][]byte{}
	for name, data := range secret.Data {
		if name != caKeyKey && name != tlsKeyKey && !bytes.Contains(data, []byte("PRIVATE KEY")) {
			public[name] = data
		}
	}
	return public
}

// Read judges a member's objects.
func Read(in Objects) State {
	state := State{
		Loaded: true, TrustDomain: in.TrustDomain,
		TrustDomainAliases: slices.Clone(in.TrustDomainAliases),
		MultiRoot:          isTrue(in.Env["ISTIO_MULTIROOT_MESH"]),
	}
	if state.TrustDomain == "" {
		state.TrustDomain = "cluster.local"
	}
	state.Kind, state.Provider = in.kind()
	state.readPlugged(in)
	state.readRoots(in)
	return state
}

// readPlugged parses cacerts where istiod signs with it.
func (s *State) readPlugged(in Objects) {
	if s.Kind != PluggedIn && s.Kind != SelfSigned {
		return
	}
	if !hasKey(in.CACerts, caCertKey, tlsCertKey) {
		if in.SelfSignedPEM != nil {
			s.sign(SelfSignedSecretName, in.SelfSignedPEM)
		}
		return
	}
	cert, root, chain := in.CACerts[caCertKey], in.CACerts[rootCertKey], in.CACerts[certChainKey]
	if hasKey(in.CACerts, tlsCertKey) {
		cert, root, chain = in.CACerts[tlsCertKey], in.CACerts[tlsRootKey], in.CACerts[tlsCertKey]
	}
	s.plugged.signer = s.sign(SecretName, cert)
	s.plugged.roots = s.parse(SecretName+"/"+rootCertKey, root)
	s.plugged.chain = s.parse(SecretName+"/"+certChainKey, chain)
	for _, link := range s.plugged.chain {
		s.Chain = append(s.Chain, describe(link))
	}
}

// sign notes the certificate that istiod signs with.
func (s *State) sign(secret string, data []byte) *x509.Certificate {
	certs := s.parse(secret+"/"+caCertKey, data)
	if certs == nil {
		return nil
	}
	signer := describe(certs[0])
	s.Signer = &signer
	return certs[0]
}

// readRoots finds what workloads trust. The ConfigMap says it only where istiod
// certifies itself: with another provider it holds the roots for istiod alone.
func (s *State) readRoots(in Objects) {
	given := in.Env["PILOT_CERT_PROVIDER"]
	speaks := given == "" || given == "istiod" || s.Kind == External
	var live []*x509.Certificate
	if in.RootPEM != nil && speaks && s.Kind != MeshCA && s.Kind != CAService {
		live = s.parse(RootConfigMapName+"/"+rootCertKey, in.RootPEM)
	}
	if live != nil && s.plugged.roots != nil {
		s.Loaded = slices.Equal(fingerprints(describeSet(live)), fingerprints(describeSet(s.plugged.roots)))
	}
	roots := live
	switch {
	case in.ProxyRoots != nil:
		roots = s.parse("roots of a proxy", in.ProxyRoots)
	case live != nil:
	case s.plugged.roots != nil:
		roots = s.plugged.roots
	case s.Kind == SelfSigned && in.SelfSignedPEM != nil:
		roots = s.parse(SelfSignedSecretName+"/"+caCertKey, in.SelfSignedPEM)
	}
	s.Roots = describeSet(roots)
	if s.MultiRoot && in.MeshRoots != nil {
		s.PeerRoots = describeSet(s.parse("meshConfig.caCertificates", in.MeshRoots))
	}
}

// parse notes what cannot be parsed and goes on without it.
func (s *State) parse(name string, data []byte) []*x509.Certificate {
	certs, err := parseCertificates(data)
	if err != nil {
		s.Unreadable = append(s.Unreadable, fmt.Sprintf("%s: %v", name, err))
		return nil
	}
	return certs
}

// NotAfter is when the first certificate of the CA ends; zero if none is known.
func (s State) NotAfter() time.Time {
	var first time.Time
	for _, cert := range s.certificates() {
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first
}

// certificates are all known ones, each once.
func (s State) certificates() []Certificate {
	all, others := slices.Clone(s.Roots), s.Chain
	if s.Signer != nil {
		others = append([]Certificate{*s.Signer}, others...)
	}
	for _, cert := range others {
		if !slices.ContainsFunc(all, func(c Certificate) bool { return c.Fingerprint == cert.Fingerprint }) {
			all = append(all, cert)
		}
	}
	return all
}
