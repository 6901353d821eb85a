//go:build bench

package scale

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/bench/chart"
	"github.com/eastwest-mesh/eastwest/lab/internal/meter"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// grown is what a server needs for so many members.
type grown struct {
	endpoints int
	// whole is from the start of the process until a proxy had been told everything, and
	// bytes are what it was told.
	whole time.Duration
	bytes int
	// heap is what is in use after a collection, peak the most that was in memory.
	heap, peak int64
	// change is from a change of one slice until the proxy had it, and changed what it was
	// told then.
	change  time.Duration
	changed int
}

// BenchmarkGrowth has 5 to 50 members with 10,000 endpoints each and measures what
// grows: time, memory and bytes. EASTWEST_BENCH_CHARTS names a folder for drawings.
func BenchmarkGrowth(b *testing.B) {
	found := map[string][]grown{}
	for _, clusters := range []int{5, 10, 25, 50}[:sized(4, 2)] {
		w := newWorld(b, newFleet(b, clusters, sized(100, 5), each, true))
		w.prepare(b)
		for _, name := range []string{agent, tuned} {
			found[name] = append(found[name], w.grow(b, name))
		}
	}
	text := ""
	for _, name := range []string{agent, tuned} {
		for _, one := range found[name] {
			text += fmt.Sprintf("%s, %d endpoints: whole after %s with %.1f MB, heap %.1f MB, peak %.1f MB; a change after %s with %.1f kB\n", name, one.endpoints,
				one.whole.Round(time.Millisecond), float64(one.bytes)/1e6, float64(one.heap)/1e6, float64(one.peak)/1e6, one.change.Round(10*time.Microsecond), float64(one.changed)/1e3)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.Log("\n" + text)
	if folder := os.Getenv("EASTWEST_BENCH_CHARTS"); folder != "" && !testing.Short() {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		drawGrowth(b, folder, found)
	}
}

// grow starts a server, and ends it.
func (w *world) grow(b *testing.B, name string) grown {
	b.Helper()
	began := time.Now()
	s, connect := w.start(b, name)
	defer s.Stop()
	proxy := connect()
	w.awaitWhole(b, name, proxy)
	out := grown{endpoints: len(w.members) * w.services * w.each, whole: time.Since(began), bytes: proxy.Received()}
	time.Sleep(settle)
	out.change, out.changed = w.changeOne(b, name, proxy)
	var err error
	if out.heap, err = s.Heap(b.Context()); err != nil {
		b.Fatal(err)
	}
	keepProfile(b, s, "heap?gc=1", fmt.Sprintf("heap-growth-%s-%d", slug(name), out.endpoints))
	memory, err := meter.MemoryOf(s.PID())
	if err != nil {
		b.Fatal(err)
	}
	out.peak = memory.Peak
	return out
}

// changeOne is the median of some changes of one slice, which ends as it began.
func (w *world) changeOne(b *testing.B, name string, proxy *sides.Proxy) (time.Duration, int) {
	b.Helper()
	const changes = 11
	var took []time.Duration
	before := proxy.Received()
	for i := range changes {
		edition := (i + 1) % changes
		time.Sleep(pause)
		start := time.Now()
		w.members[1].Put(w.slice(1, 0, edition))
		wanted := fmt.Sprintf("%s:%d", w.address(1, 0, w.each-1, edition), port)
		sides.Await(b, name+" has told of a change", func(context.Context) error {
			assignments, err := proxy.Assignments()
			if err != nil {
				return err
			}
			one := assignments[sides.Port{Namespace: namespace, Service: serviceName(0), Number: 80}]
			if _, has := sides.AnswerOf(one.Load)[wanted]; !has {
				return fmt.Errorf("change %d is not seen", i)
			}
			took = append(took, one.Seen.Sub(start))
			return nil
		})
	}
	return bench.Quantile(took, 0.5), (proxy.Received() - before) / changes
}

func drawGrowth(b *testing.B, folder string, found map[string][]grown) {
	b.Helper()
	for file, one := range map[string]struct {
		title, y string
		value    func(grown) float64
	}{
		"growth-start.svg":  {"From the start to a complete proxy", "seconds", func(g grown) float64 { return g.whole.Seconds() }},
		"growth-heap.svg":   {"Memory in use", "MB", func(g grown) float64 { return float64(g.heap) / 1e6 }},
		"growth-peak.svg":   {"Most memory during the start", "MB", func(g grown) float64 { return float64(g.peak) / 1e6 }},
		"growth-bytes.svg":  {"Bytes until a proxy is complete", "MB", func(g grown) float64 { return float64(g.bytes) / 1e6 }},
		"growth-change.svg": {"From one change to the proxy", "ms", func(g grown) float64 { return g.change.Seconds() * 1000 }},
	} {
		drawn := chart.Chart{Title: one.title, X: "endpoints", Y: one.y, Series: map[string][]chart.Point{}}
		for name, all := range found {
			for _, size := range all {
				drawn.Series[name] = append(drawn.Series[name], chart.Point{X: float64(size.endpoints), Y: one.value(size)})
			}
		}
		if err := drawn.Draw(filepath.Join(folder, file)); err != nil {
			b.Fatal(err)
		}
	}
}
