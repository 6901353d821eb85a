//go:build e2e

package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

func testKilled(t *testing.T) {
	f := newFront(t, 1, 2)
	var calls, writes atomic.Int64
	start := time.Now()
	f.gate = func(r *http.Request, forward func()) {
		n := calls.Add(1)
		if isWrite(r) {
			writes.Add(1)
			t.Logf("%d %s %s %s", n, time.Since(start), r.Method, r.URL.Path)
		}
		forward()
	}
	r := must(t, join([]string{"create-mesh"}, f.members)...)
	t.Logf("took %s calls %d writes %d", r.took, calls.Load(), writes.Load())
	s := time.Now()
	snapAll(t)
	t.Logf("snapAll took %s", time.Since(s))
	s = time.Now()
	unlink(t)
	t.Logf("unlink took %s", time.Since(s))
}
func testWebhook(t *testing.T) {}
