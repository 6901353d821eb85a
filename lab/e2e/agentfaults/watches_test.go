//go:build e2e

package agentfaults

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
)

// TestF22 lets a watch stall: its bytes are swallowed, and the connection is well.
func TestF22(t *testing.T) {
	slow(t)
	namespace, front, a, g := scripted(t, 20, "")
	front.Play(faultproxy.Script{Body: func(r *http.Request, piece []byte) ([]byte, error) {
		if ofSlices(r) && strings.Contains(r.URL.RawQuery, "watch=1") {
			return nil, nil
		}
		return piece, nil
	}})
	began := time.Now()
	peer.endpoints(t, namespace, "cart", 21)
	// Its neighbour: what another watch brings meanwhile is told.
	services := a.now(t, "c2").Services
	peer.makeService(t, namespace, "pay")
	a.awaitStanding(t, "c2", "offers another service", func(s standing) bool { return s.Services == services+1 })
	a.pass(t, 2*time.Minute)
	if s := a.now(t, "c2"); s.State != "ready" || s.Endpoints != 20 {
		t.Errorf("got %+v", s)
	}
	// It lasts for watches that were open; the next one is served.
	front.Play(faultproxy.Script{Body: func(r *http.Request, piece []byte) ([]byte, error) {
		if ofSlices(r) && began.After(openedAt(front, r)) {
			return nil, nil
		}
		return piece, nil
	}})
	g.awaitShare(t, namespace, "c2", share{weight: 21})
	t.Logf("told %s after the change", time.Since(began).Round(time.Second))
	if reopened := a.metric(t, "eastwest_member_watches_reopened_total", `member="c2"`, `resource="endpointslices"`); reopened != 1 {
		t.Errorf("the watch was opened again %v times", reopened)
	}
}

// openedAt is when a request came.
func openedAt(front *faultproxy.Front, r *http.Request) time.Time {
	for _, one := range front.Requests() {
		if one.Path == r.URL.Path && one.Query == r.URL.RawQuery {
			return one.At
		}
	}
	return time.Time{}
}

// TestF23 breaks what a watch says.
func TestF23(t *testing.T) {
	namespace, front, a, g := scripted(t, 20, "")
	garbled := func(_ *http.Request, piece []byte) ([]byte, error) {
		// The length of the frame stays, its content is nothing.
		for i := 4; i < len(piece); i++ {
			piece[i] = 0xff
		}
		return piece, nil
	}
	cut := func(_ *http.Request, piece []byte) ([]byte, error) {
		return piece[:len(piece)/2], errors.New("cut")
	}
	count := 20
	for _, tc := range []struct {
		name, reason string
		script       faultproxy.Script
	}{
		{"a garbled frame", "ProtocolError", faultproxy.Script{Body: onSlices(garbled)}},
		{"a frame that is cut", "", faultproxy.Script{Body: onSlices(cut)}},
		{"another content type", "ProtocolError", faultproxy.Script{Header: func(r *http.Request, header http.Header) {
			if ofSlices(r) {
				header.Set("Content-Type", "text/html")
			}
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			front.Play(tc.script)
			if tc.script.Header != nil {
				front.Reset() // only new answers have a header
			}
			count++
			peer.endpoints(t, namespace, "cart", count)
			a.awaitStanding(t, "c2", "is degraded", func(s standing) bool {
				return s.State == "degraded" && (tc.reason == "" || s.has(tc.reason, ""))
			})
			g.wantLeast(t, 20)
			front.Play(faultproxy.Script{})
			g.awaitShare(t, namespace, "c2", share{weight: count})
			a.awaitState(t, "c2", "ready")
		})
	}
	t.Run("the connection ends within a frame", func(t *testing.T) {
		breaksWithin(t, namespace, front, a, g, count+1)
	})
}

// breaksWithin is the neighbour of F23: it is the connection that ends in the middle of
// a frame, and all watches of the member with it.
func breaksWithin(t *testing.T, namespace string, front *faultproxy.Front, a *agent, g *gateway, count int) {
	t.Helper()
	accepted := front.Accepted()
	front.CutAfter(100) // bytes of TLS: less than any frame takes
	peer.endpoints(t, namespace, "cart", count)
	g.awaitShare(t, namespace, "c2", share{weight: count})
	a.awaitState(t, "c2", "ready")
	g.wantLeast(t, 20)
	if front.Accepted() == accepted {
		t.Error("nothing broke")
	}
}

func onSlices(change func(*http.Request, []byte) ([]byte, error)) func(*http.Request, []byte) ([]byte, error) {
	return func(r *http.Request, piece []byte) ([]byte, error) {
		if !ofSlices(r) {
			return piece, nil
		}
		return change(r, piece)
	}
}
