package watch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Why a stream starts again though nothing is broken.
var (
	errExpired = errors.New("the revision is too old")
	errMissing = errors.New("the API is not served")
	errRelist  = errors.New("a list was asked for")
	errHeld    = errors.New("the list is to be confirmed")
	errNoList  = errors.New("watches do not bring lists")
)

// stream keeps one resource of a session up to date. It is one goroutine.
type stream struct {
	resource
	session *session
	// at is the index of the path in use.
	at int
	// version is the revision up to which everything is known; empty: nothing is.
	version string
	// lists is true where the server cannot list within a watch.
	lists bool
	// confirmed is true when the next list is applied whatever it lost.
	confirmed bool
	// missingSince is when the API was first not served.
	missingSince time.Time

	// What follows is guarded by the mutex of the Cluster.
	listed bool
	// opened is true once a watch was.
	opened bool
	// absent is true where the API is not served, and known to be.
	absent bool
	fault  *Fault
	// again ends the watch in favour of a list.
	again context.CancelCauseFunc
	// applied is the revision of what was applied last, known the one up to which
	// everything is known; 0 where revisions are no numbers.
	applied, known uint64
	appliedAt      time.Time
}

// run watches until ctx ends. Before every request that follows a break the
// member has to be heard again, so that nothing is taken from another cluster
// that answers at the same address.
func (s *stream) run(ctx context.Context) {
	since := s.session.started
	for attempt := 0; ; {
		revision, ok := s.session.verified(ctx, since)
		if !ok {
			return
		}
		if known, err := strconv.ParseUint(s.version, 10, 64); err == nil && known > revision {
			// The store went back in time; a watch from here would miss what comes.
			s.version = ""
		}
		began := time.Now()
		err := s.connect(ctx)
		since = time.Now()
		if ctx.Err() != nil {
			return
		}
		if since.Sub(began) > s.session.timing.backoffMost {
			attempt = 0
		}
		if !s.session.rest(ctx, s.after(err, attempt), nil) {
			return
		}
		attempt++
	}
}

// after draws the conclusions from the end of a watch, and returns how long to
// wait before the next one.
func (s *stream) after(err error, attempt int) time.Duration {
	timing := s.session.timing
	switch {
	case errors.Is(err, errMissing):
		return s.missing()
	case errors.Is(err, errHeld):
		s.version, s.confirmed = "", true
		return timing.confirm
	case errors.Is(err, errExpired), errors.Is(err, errRelist), errors.Is(err, errNoList):
		s.version = ""
		err = io.EOF
	}
	fault := named(faultOf(err), "list and watch "+s.name)
	if errors.Is(err, io.EOF) {
		// A server ends every watch some time. Whether it is still there is asked
		// before the next one.
		if attempt == 0 {
			return 0
		}
		return s.session.pause(fault, attempt)
	}
	s.broke(fault)
	return s.session.pause(fault, attempt)
}

// broke records a fault; its beginning is that of the first one in a row.
func (s *stream) broke(fault *Fault) {
	s.session.cluster.mu.Lock()
	defer s.session.cluster.mu.Unlock()
	fault.Resource, fault.Since = s.name, time.Now()
	if s.fault != nil {
		fault.Since = s.fault.Since
	}
	s.fault = fault
	s.session.cluster.wake()
}

// established records that the watch is open.
func (s *stream) established() {
	s.session.cluster.mu.Lock()
	defer s.session.cluster.mu.Unlock()
	s.missingSince, s.absent = time.Time{}, false
	if s.opened {
		s.session.cluster.reopened[s.index]++
	}
	s.opened = true
	if s.fault != nil {
		s.fault = nil
		s.session.cluster.wake()
	}
}

// missing handles an API that is not served. Where something came from it, it
// must be missing twice, some time apart, before that is taken away.
func (s *stream) missing() time.Duration {
	timing := s.session.timing
	if s.missingSince.IsZero() {
		s.missingSince = time.Now()
	}
	s.version = ""
	if s.session.holds(s.index) && time.Since(s.missingSince) < timing.recheck {
		s.broke(&Fault{Reason: Missing, Message: "the API is not served any more"})
	} else {
		s.session.withdraw(s)
	}
	return timing.recheck
}

// connect watches from the known revision, or lists first, until the watch ends.
// It always returns why it did; io.EOF where the server ended it properly.
func (s *stream) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.session.cluster.mu.Lock()
	s.again = cancel
	s.session.cluster.mu.Unlock()
	for range s.paths {
		err := s.watch(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		var fault *Fault
		if !errors.As(err, &fault) {
			return err
		}
		switch {
		case fault.status == http.StatusNotFound && s.optional, fault.status == http.StatusForbidden && s.extra:
			s.at = (s.at + 1) % len(s.paths)
		case fault.status == http.StatusGone:
			return errExpired
		case (fault.status == http.StatusBadRequest || fault.status == http.StatusUnprocessableEntity) && !s.lists && s.version == "":
			s.lists = true
			return errNoList
		default:
			return err
		}
	}
	return errMissing
}
