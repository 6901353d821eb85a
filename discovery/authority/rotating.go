package authority

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// jitter spreads renewals by a tenth to both sides of half the life.
	jitter = 0.1
	// minRenewal keeps a CA near its end, whose certificates live ever shorter,
	// from being asked in a loop.
	minRenewal = 30 * time.Second
	// firstRetry and lastRetry bound the pauses after a failure.
	firstRetry, lastRetry = 5 * time.Second, time.Minute
)

// Rotating keeps the certificate of one identity fresh: it is renewed at about
// half of its life, and at once where the CA or the roots change. A failure keeps
// what is there. It is safe for concurrent use.
type Rotating struct {
	authority *Authority
	identity  string
	validity  time.Duration

	mu      sync.Mutex // guards what follows
	pair    Pair
	cert    *tls.Certificate
	changed <-chan struct{}
	problem error
}

// Rotating issues the first certificate of an identity; Run renews it.
func (a *Authority) Rotating(identity string, validity time.Duration) (*Rotating, error) {
	r := &Rotating{authority: a, identity: identity, validity: validity}
	return r, r.renew()
}

// Format hides the key from every verb.
func (r *Rotating) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "certificate of "+r.identity)
}

// Pair is the certificate of now.
func (r *Rotating) Pair() Pair {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pair
}

// Certificate is the certificate of now for crypto/tls; an expired one is an error.
func (r *Rotating) Certificate() (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().After(r.pair.Expiry) {
		return nil, fmt.Errorf("certificate of %s expired at %s", r.identity, r.pair.Expiry.UTC().Format(time.RFC3339))
	}
	return r.cert, nil
}

// Problem is why the last renewal failed; nil where it did not.
func (r *Rotating) Problem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

// Run renews until ctx ends, and hands each new certificate to renewed.
func (r *Rotating) Run(ctx context.Context, renewed func(Pair)) error {
	pause := r.untilRenewal()
	retry := firstRetry
	for r.wait(ctx, pause) {
		if err := r.renew(); err != nil {
			pause, retry = spread(retry), min(2*retry, lastRetry)
			continue
		}
		pause, retry = r.untilRenewal(), firstRetry
		renewed(r.Pair())
	}
	return nil
}

// wait is over after the pause, or when the CA changes; it is false when ctx ends.
func (r *Rotating) wait(ctx context.Context, pause time.Duration) bool {
	r.mu.Lock()
	changed := r.changed
	r.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-changed:
	}
	return true
}

// renew takes note of the CA's files first: those that come while it issues are
// seen by the next wait.
func (r *Rotating) renew() error {
	changed := r.authority.Changed()
	pair, err := r.authority.Issue(r.identity, r.validity)
	var cert *tls.Certificate
	if err == nil {
		cert, err = pair.TLS()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed, r.problem = changed, err
	if err == nil {
		r.pair, r.cert = pair, cert
	}
	return err
}

func (r *Rotating) untilRenewal() time.Duration {
	pair := r.Pair()
	half := pair.Expiry.Sub(pair.Issued) / 2
	return max(spread(half), minRenewal)
}

// spread moves a duration by up to jitter, so that many renewals do not fall together.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}
