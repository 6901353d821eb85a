package discovery

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// errNoLease is why a change was not sent.
var errNoLease = errors.New("this replica's lease was not renewed in time, so another one may write")

// tenure is whether this replica may write, by what it knows of its own lease. A
// process that was paused goes on where it was, and client-go takes up to
// renewDeadline more to end its term, while another replica has long had the lease.
type tenure struct {
	// renewed is when the last renewal that succeeded was asked for; nil without a lease.
	renewed atomic.Pointer[time.Time]
}

// holds reports whether nobody else can have the lease: others wait for leaseDuration,
// and what is on its way when the time is up has the difference to arrive. The clock on
// the wall counts as well, for the other one stands still with the machine.
func (t *tenure) holds() bool {
	renewed := t.renewed.Load()
	if renewed == nil {
		return false
	}
	now := time.Now()
	return max(now.Sub(*renewed), now.Round(0).Sub(renewed.Round(0))) < renewDeadline
}

// renewedBy is a lock whose renewals are noted.
func (t *tenure) renewedBy(lock resourcelock.Interface) resourcelock.Interface {
	return &notedLock{Interface: lock, term: t}
}

type notedLock struct {
	resourcelock.Interface
	term *tenure
}

func (l *notedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	asked := time.Now()
	return l.note(asked, record, l.Interface.Create(ctx, record))
}

func (l *notedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	asked := time.Now()
	return l.note(asked, record, l.Interface.Update(ctx, record))
}

func (l *notedLock) note(asked time.Time, record resourcelock.LeaderElectionRecord, err error) error {
	switch {
	case err != nil:
	case record.HolderIdentity == l.Identity():
		l.term.renewed.Store(&asked)
	default:
		l.term.renewed.Store(nil)
	}
	return err
}

// guard is a connection that changes nothing without the lease.
func (t *tenure) guard(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &guarded{next: next, term: t} })
	return config
}

type guarded struct {
	next http.RoundTripper
	term *tenure
}

// RoundTrip implements http.RoundTripper.
func (g *guarded) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead && !g.term.holds() {
		return nil, errNoLease
	}
	return g.next.RoundTrip(request)
}
