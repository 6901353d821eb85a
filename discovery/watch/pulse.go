package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// pulse is the one goroutine of a session that finds out whether the member is
// there, and whether it is the same cluster as before. Streams that lost their
// connection wait for it, so that a member which is gone sees one attempt at a
// time and not one for every resource.
func (s *session) pulse(ctx context.Context) {
	for attempt := 0; ; {
		started := time.Now()
		revision, fault := s.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		s.heard(started, revision, fault)
		if fault == nil {
			attempt = 0
			if !s.rest(ctx, s.timing.pulse, s.poke) {
				return
			}
			continue
		}
		if !s.rest(ctx, s.pause(fault, attempt), nil) {
			return
		}
		attempt++
	}
}

// ask reads the namespace kube-system. A list instead of a get: its answer also
// has the newest revision of the store, and it needs a quorum of it just so.
func (s *session) ask(ctx context.Context) (revision uint64, fault *Fault) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.pulseTimeout)
	defer cancel()
	query := url.Values{"fieldSelector": {"metadata.name=" + kubeSystem}}
	answer, err := s.client.get(ctx, "/api/v1/namespaces", query, acceptObjects, s.timing.pulseTimeout)
	if err != nil {
		return 0, named(faultOf(err), "list namespaces")
	}
	defer answer.Close()
	content, err := readAll(answer, maxObject)
	if err != nil {
		return 0, faultOf(err)
	}
	var list corev1.NamespaceList
	if err := decodeUnknown(content, "NamespaceList", &list); err != nil {
		return 0, faultOf(err)
	}
	if len(list.Items) != 1 || list.Items[0].Name != kubeSystem || list.Items[0].UID == "" {
		return 0, &Fault{Reason: Garbled, Message: "there is no namespace " + kubeSystem}
	}
	if wanted, found := s.cluster.pinned(string(list.Items[0].UID)); wanted != found {
		return 0, &Fault{Reason: IdentityChanged, Message: fmt.Sprintf("the UID of namespace %s is %.64q, not %q: it is another cluster", kubeSystem, found, wanted)}
	}
	revision, _ = strconv.ParseUint(list.ResourceVersion, 10, 64)
	return revision, nil
}

// named puts the verb and the resource in front of a refusal, for whoever must
// grant it.
func named(fault *Fault, act string) *Fault {
	if fault.Reason == Forbidden || fault.Reason == Unauthorized {
		fault.Message = act + ": " + fault.Message
	}
	return fault
}

// heard records the answer and tells everybody who waits for it.
func (s *session) heard(started time.Time, revision uint64, fault *Fault) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	if fault == nil {
		s.verifiedAt, s.revision, s.disowned = started, revision, false
	} else if s.fault != nil {
		fault.Since = s.fault.Since
	} else {
		fault.Since = time.Now()
	}
	s.fault = fault
	close(s.beat)
	s.beat = make(chan struct{})
	s.cluster.wake()
}

// verified waits until the member was heard after a moment, and returns the
// newest revision of its store then. It is false when the session ends.
func (s *session) verified(ctx context.Context, since time.Time) (uint64, bool) {
	for {
		s.cluster.mu.Lock()
		beat, revision := s.beat, s.revision
		heard := s.fault == nil && !s.verifiedAt.IsZero() && !s.verifiedAt.Before(since)
		s.cluster.mu.Unlock()
		if heard {
			return revision, ctx.Err() == nil
		}
		select {
		case s.poke <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return 0, false
		case <-beat:
		}
	}
}

// pause is how long to wait after a fault. What a server asks for holds for all
// requests to it.
func (s *session) pause(fault *Fault, attempt int) time.Duration {
	if fault.retryAfter > 0 {
		asked := min(fault.retryAfter, s.timing.retryAfterMost)
		asked += rand.N(asked/10 + 1)
		s.cluster.mu.Lock()
		s.quietUntil = time.Now().Add(asked)
		s.cluster.mu.Unlock()
		return asked
	}
	if fault.Reason == Unauthorized {
		return s.timing.unauthorized
	}
	span := s.timing.backoffMost
	if attempt < 16 {
		span = min(span, s.timing.backoffLeast<<attempt)
	}
	return rand.N(span + 1)
}

// rest waits, and longer where the server asked for it. It is false when the
// session ends. A poke ends the wait, but not the one the server asked for.
func (s *session) rest(ctx context.Context, pause time.Duration, poke <-chan struct{}) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-poke:
	case <-timer.C:
	}
	for {
		s.cluster.mu.Lock()
		quiet := time.Until(s.quietUntil)
		s.cluster.mu.Unlock()
		if quiet <= 0 {
			return ctx.Err() == nil
		}
		timer.Reset(quiet)
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
	}
}
