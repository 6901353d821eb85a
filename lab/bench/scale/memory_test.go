//go:build bench

package scale

import (
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/internal/meter"
)

// BenchmarkTry is a draft.
func BenchmarkTry(b *testing.B) {
	for _, name := range []string{agent, istiod} {
		w := newWorld(b, newFleet(b, 3, 1000, true))
		began := time.Now()
		s, proxy := w.start(b, name)
		ready := time.Since(began)
		w.awaitWhole(b, name, proxy())
		memory, err := meter.MemoryOf(s.PID())
		b.Logf("%s: ready after %s, whole after %s, %+v %v", name, ready, time.Since(began), memory, err)
		s.Stop()
	}
}
