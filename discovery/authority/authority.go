// Package authority owns the cluster's right to issue: it reads the CA from a
// folder, follows it when its files change, issues short-lived certificates for
// the identities of this cluster's gateways and agent, and renews them in time.
// It yields PEM and crypto/tls values; it must not know xDS, Kubernetes, or who
// may ask for which identity.
package authority

import (
	"context"
	"crypto/x509"
	"slices"
	"sync"
	"time"
)

const (
	defaultValidity = 24 * time.Hour
	defaultPoll     = 10 * time.Second
)

// Options say where the CA is and what it may issue.
type Options struct {
	// Dir is the folder with ca-cert.pem, ca-key.pem, cert-chain.pem and
	// root-cert.pem.
	Dir string
	// TrustDomain is of every identity issued here.
	TrustDomain string
	// Validity of certificates whose asker does not say; 24 h by default.
	Validity time.Duration
	// Poll is how often the folder is looked at; 10 s by default. The files are
	// few and small, and reading them needs no rule for how each kind of volume
	// reports a change.
	Poll time.Duration
}

// Authority issues certificates. It is safe for concurrent use.
type Authority struct {
	options Options

	mu       sync.Mutex // guards what follows
	material *material
	problem  error
	changed  chan struct{}
}

// Open reads the folder; what is wrong with it is an error.
func Open(options Options) (*Authority, error) {
	if options.Validity == 0 {
		options.Validity = defaultValidity
	}
	if options.Poll == 0 {
		options.Poll = defaultPoll
	}
	files, err := readFolder(options.Dir)
	if err != nil {
		return nil, err
	}
	material, err := parse(files, time.Now())
	if err != nil {
		return nil, err
	}
	return &Authority{options: options, material: material, changed: make(chan struct{})}, nil
}

// Run follows the folder until ctx ends. Files that cannot be used change
// nothing: the CA read before stays, and Problem says why.
func (a *Authority) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.options.Poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			a.reload()
		}
	}
}

func (a *Authority) reload() {
	files, err := readFolder(a.options.Dir)
	if err != nil {
		a.follow(nil, err)
		return
	}
	if a.current().files == files.digest() {
		a.follow(nil, nil)
		return
	}
	a.follow(parse(files, time.Now()))
}

// follow takes new material over, or notes why it could not.
func (a *Authority) follow(next *material, problem error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.problem = problem
	if next == nil || problem != nil {
		return
	}
	a.material = next
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *Authority) current() *material {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.material
}

// Changed is closed when other files are in use than at the time of the call.
func (a *Authority) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// Problem is why the folder as it is now is not in use; nil where it is.
func (a *Authority) Problem() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.problem
}

// Roots are the roots that everybody in the mesh trusts, as PEM.
func (a *Authority) Roots() []byte { return slices.Clone(a.current().rootsPEM) }

// Pool is Roots as crypto/tls wants them. It must not be changed.
func (a *Authority) Pool() *x509.CertPool { return a.current().roots }

// Expiry is when the CA ends.
func (a *Authority) Expiry() time.Time { return a.current().expiry }
