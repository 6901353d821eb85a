//go:build e2e

package agentfaults

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
)

// slicesPath is where EndpointSlices are watched.
const slicesPath = "/apis/discovery.k8s.io/v1/endpointslices"

func ofSlices(r *http.Request) bool { return r.URL.Path == slicesPath }

// scripted runs an agent whose member c2 answers by a script.
func scripted(t *testing.T, count int, settings string) (namespace string, front *faultproxy.Front, a *agent, g *gateway) {
	t.Helper()
	namespace = shop(t, count, peer)
	front, config := faultproxy.NewFront(t, peer.Config())
	a = start(t, options{namespace: namespace, members: []member{{"c2", config}}, settings: settings})
	g = a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: count})
	g.mark(namespace, "c2")
	return namespace, front, a, g
}

// says answers requests that are chosen with a status.
func says(status int, retryAfter string, chosen func(*http.Request) bool) faultproxy.Script {
	return faultproxy.Script{Answer: func(w http.ResponseWriter, r *http.Request) bool {
		if !chosen(r) {
			return false
		}
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		return true
	}}
}

func all(*http.Request) bool { return true }

// TestF09 is asked to come back after 20 s.
func TestF09(t *testing.T) {
	slow(t)
	namespace, front, a, g := scripted(t, 20, "")
	// Its neighbour: watches that are open go on, and what they bring is told.
	before := len(front.Requests())
	front.Play(says(http.StatusTooManyRequests, "20", all))
	a.awaitFault(t, "c2", "degraded", "Throttled", "")
	peer.endpoints(t, namespace, "cart", 21)
	g.awaitShare(t, namespace, "c2", share{weight: 21})

	since := g.mark(namespace, "c2")
	front.Reset()
	a.pass(t, 45*time.Second)
	requests := front.Requests()[before:]
	for i := 1; i < len(requests); i++ {
		if gap := requests[i].At.Sub(requests[i-1].At); gap < 20*time.Second {
			t.Errorf("%s came %s after it was asked to wait 20 s", requests[i].Path, gap)
		}
	}
	if last := requests[len(requests)-1]; len(requests) < 3 || last.Status != http.StatusTooManyRequests || time.Since(last.At) > 30*time.Second {
		t.Errorf("%d requests, the last is %+v: it was not asked again", len(requests), last)
	}
	front.Play(faultproxy.Script{})
	a.awaitState(t, "c2", "ready")
	g.wantToldNothing(t, since)
}

// TestF10 answers with errors for a while.
func TestF10(t *testing.T) {
	namespace, front, a, g := scripted(t, 20, "")
	since := g.mark(namespace, "c2")
	var count atomic.Int32
	front.Play(faultproxy.Script{Answer: func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader([]int{http.StatusInternalServerError, http.StatusServiceUnavailable}[count.Add(1)%2])
		return true
	}})
	front.Reset()
	a.awaitFault(t, "c2", "degraded", "ServerError", "")
	g.wantToldNothing(t, since)
	front.Play(faultproxy.Script{})
	a.awaitState(t, "c2", "ready")
	g.wantToldNothing(t, since)

	// Its neighbour: one resource fails, and the others go on.
	front.Play(says(http.StatusInternalServerError, "", ofSlices))
	front.Reset()
	a.awaitFault(t, "c2", "degraded", "ServerError", "")
	services := a.now(t, "c2").Services
	peer.makeService(t, namespace, "pay")
	a.awaitStanding(t, "c2", "offers another service", func(s standing) bool { return s.State == "degraded" && s.Services == services+1 })
	front.Play(faultproxy.Script{})
	a.awaitState(t, "c2", "ready")
	g.wantLeast(t, 20)
}

// losing has the next lists of slices be empty, so many times.
func losing(times int32) faultproxy.Script {
	var empty atomic.Int32
	return faultproxy.Script{Answer: func(w http.ResponseWriter, r *http.Request) bool {
		query := r.URL.Query()
		switch {
		case !ofSlices(r):
		case query.Get("resourceVersion") != "" && empty.Load() < times:
			w.WriteHeader(http.StatusGone)
			return true
		case query.Get("sendInitialEvents") != "" && empty.Add(1) <= times:
			// The server itself answers, and says that nothing matches.
			query.Set("labelSelector", "eastwest.dev/nothing=at-all")
			r.URL.RawQuery = query.Encode()
		}
		return false
	}}
}

// TestF15 lists most endpoints as gone after an outage.
func TestF15(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		_, front, a, g := scripted(t, 20, "")
		front.Play(losing(1))
		front.Reset()
		a.awaitFault(t, "c2", "degraded", "ListHeld", "asked for again")
		a.awaitState(t, "c2", "ready")
		g.wantLeast(t, 20)
	})
	t.Run("twice", func(t *testing.T) {
		slow(t)
		namespace, front, a, g := scripted(t, 20, "")
		front.Play(losing(2))
		front.Reset()
		a.awaitFault(t, "c2", "degraded", "ListHeld", "")
		g.wantLeast(t, 20)
		g.awaitShare(t, namespace, "c2", share{})
		a.awaitState(t, "c2", "ready")
	})
	// Its neighbour: the agent was restarted in between, and compares with its snapshot.
	t.Run("restarted", func(t *testing.T) {
		slow(t)
		namespace := shop(t, 20, peer)
		front, config := faultproxy.NewFront(t, peer.Config())
		a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, snapshot: t.TempDir()})
		g := a.connect(t, nil)
		g.awaitShare(t, namespace, "c2", share{weight: 20})
		a.stop(t)
		front.Play(losing(1))
		a.start(t)
		a.awaitReady(t)
		again := a.connect(t, g)
		since := again.mark(namespace, "c2")
		a.awaitStanding(t, "c2", "holds the list", func(s standing) bool { return s.has("ListHeld", "") })
		a.awaitState(t, "c2", "ready")
		again.wantToldNothing(t, since)
	})
}
