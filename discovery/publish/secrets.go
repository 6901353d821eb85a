package publish

import (
	"fmt"
	"io"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// The names of secrets, the same for every identity.
const (
	OwnSecret   = "own"
	RootsSecret = "roots"
)

// Secrets is where the credentials of identities come from.
type Secrets interface {
	// Credential is the identity's own. It is asked when the first stream of the
	// identity opens and at every Renewed.
	Credential(identity string) (Credential, error)
}

// Credential is what an identity proves itself with and whom it believes, in PEM
// form.
type Credential struct {
	Chain, Key, Roots []byte
	// Admitted are further secrets of the identity: whom its listeners let in. They
	// hold nothing private and have names of their own.
	Admitted []*tlsv3.Secret
}

// Format hides the key from every verb.
func (Credential) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "[credential]") }

// Renewed publishes the credential of an identity as it is now, to that identity.
func (p *Publisher) Renewed(identity string) (pushed int, err error) {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	return p.publishSecrets(identity)
}

// provide makes sure that an identity's secrets are published. Without them its
// streams still get everything else: what a gateway has been serving with stays
// good for a while.
func (p *Publisher) provide(identity string) {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	p.mu.Lock()
	published := p.identityScopeLocked(identity).published == whole
	p.mu.Unlock()
	if published {
		return
	}
	if _, err := p.publishSecrets(identity); err != nil {
		p.options.Log.Error("no secrets for gateway", "identity", identity, "error", err)
	}
}

func (p *Publisher) publishSecrets(identity string) (pushed int, err error) {
	if p.options.Secrets == nil {
		return 0, nil
	}
	credential, err := p.options.Secrets.Credential(identity)
	if err != nil {
		return 0, fmt.Errorf("publish secrets of %s: %w", identity, err)
	}
	p.mu.Lock()
	at := p.identityScopeLocked(identity)
	p.mu.Unlock()
	next := contents{}
	if err := encodeAll(next, secretKind, credential.secrets(), (*tlsv3.Secret).GetName, at.latest[secretKind]); err != nil {
		return 0, fmt.Errorf("publish secrets of %s: %w", identity, err)
	}
	var change changes
	change.replace(secretKind, at.latest[secretKind], next)
	at.latest[secretKind] = next
	return p.apply(at, change, whole), nil
}

// secrets are the credential as Envoy wants it.
func (c Credential) secrets() []*tlsv3.Secret {
	return append([]*tlsv3.Secret{
		{Name: OwnSecret, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(c.Chain), PrivateKey: inline(c.Key),
		}}},
		{Name: RootsSecret, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: inline(c.Roots),
		}}},
	}, c.Admitted...)
}

func inline(text []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: text}}
}
