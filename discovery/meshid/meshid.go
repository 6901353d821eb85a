// Package meshid owns the agent's own certificate of a mesh whose istiod signs
// certificates: it asks for one as any workload does, by the token of its account,
// keeps it fresh, and knows the roots that the certificates of the mesh lead to.
//
// It stands beside the data path and must not know what the certificate is used
// for. Certificates of members without Istio come from discovery/authority.
package meshid

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

const (
	// look is how often it is seen whether the roots on disk are others.
	look = 15 * time.Second
	// firstRetry and lastRetry bound the pauses after a failure, jitter is by which
	// part of a pause it differs.
	firstRetry, lastRetry = time.Second, time.Minute
	jitter                = 0.1
)

// Options say who signs.
type Options struct {
	// Authority is HOST:PORT of the istiod.
	Authority string
	// Token and Root are files: what the agent shows to istiod, and what istiod's own
	// certificate must lead to.
	Token, Root string
	Log         *slog.Logger
}

// Certificate is one certificate of the mesh.
type Certificate struct {
	TLS *tls.Certificate
	// Roots are what the certificates of the mesh lead to.
	Roots *x509.CertPool
	// Issued and Expiry bound its life.
	Issued, Expiry time.Time
}

// Format hides the key from every verb.
func (c Certificate) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "certificate of the mesh until "+c.Expiry.UTC().Format(time.RFC3339))
}

// Keeper keeps the certificate fresh: it is renewed at about half of its life, and
// at once where the roots on disk change. A failure keeps what is there. It is safe
// for concurrent use.
type Keeper struct {
	options Options
	ask     func(ctx context.Context) (Certificate, error)

	mu      sync.Mutex // guards what follows
	current *Certificate
	problem error
}

// New returns a Keeper that has no certificate yet.
func New(options Options) *Keeper {
	return &Keeper{
		options: options, problem: errors.New("istiod has not answered yet"),
		ask: func(ctx context.Context) (Certificate, error) { return request(ctx, options) },
	}
}

// Current is the certificate of now; the error says why there is none. One that has
// expired is none.
func (k *Keeper) Current() (Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == nil || time.Now().After(k.current.Expiry) {
		return Certificate{}, fmt.Errorf("no certificate of the mesh: %w", k.problem)
	}
	return *k.current, nil
}

// Run renews until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	var seen string
	var due time.Time
	retry := firstRetry
	for {
		if roots := k.roots(); roots != seen || !time.Now().Before(due) {
			seen = roots
			if err := k.renew(ctx); err != nil {
				due, retry = time.Now().Add(spread(retry)), min(2*retry, lastRetry)
			} else {
				due, retry = k.half(), firstRetry
			}
		}
		timer := time.NewTimer(min(max(time.Until(due), 0), look))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// renew asks for another certificate, and tells of a failure once.
func (k *Keeper) renew(ctx context.Context) error {
	certificate, err := k.ask(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil && (k.problem == nil || k.problem.Error() != err.Error()) {
			k.options.Log.Warn("get a certificate of the mesh", "authority", k.options.Authority, "error", err)
		}
		k.problem = err
		return err
	}
	k.options.Log.Info("certificate of the mesh", "expiry", certificate.Expiry)
	k.current, k.problem = &certificate, errors.New("it has expired")
	return nil
}

// half is when the certificate of now is to be renewed.
func (k *Keeper) half() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current.Issued.Add(spread(k.current.Expiry.Sub(k.current.Issued) / 2))
}

// roots are those on disk, which change where the mesh gets others; what cannot be
// read is as it was.
func (k *Keeper) roots() string {
	text, _ := os.ReadFile(k.options.Root)
	return string(text)
}

// spread moves a duration by up to jitter, so that many renewals do not fall
// together.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}
