//go:build bench

package scale

import (
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/internal/meter"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// settle is how long a server that has told all there is is left alone before its memory
// is read.
const settle = 5 * time.Second

// footprint is what a server needed for so many endpoints.
type footprint struct {
	endpoints int
	// whole is from the start of the process until a proxy had been told everything.
	whole time.Duration
	// heap is what is in use after a collection, resident what is in memory then, and
	// peak the most that was until then.
	heap, resident, peak int64
}

// BenchmarkMemory measures what ten members' endpoints take, in four sizes, with one
// proxy that has asked for all of them (B4). Endpoints are addresses alone, and pods.
func BenchmarkMemory(b *testing.B) {
	clusters := sized(10, 2)
	for _, shape := range []struct {
		name string
		pods bool
	}{{"addresses", false}, {"pods", true}} {
		b.Run(shape.name, func(b *testing.B) {
			found := map[string][]footprint{}
			for _, endpoints := range []int{1000, 2500, 5000, 10000}[:sized(4, 2)] {
				w := newWorld(b, newFleet(b, clusters, endpoints/each, each, shape.pods))
				w.prepare(b)
				for _, name := range []string{agent, istiod} {
					found[name] = append(found[name], w.measure(b, name))
				}
			}
			reportFootprints(b, found)
		})
	}
}

// prepare has an agent make what its cluster keeps. All that come later are as a replica
// beside the one that writes: what is compared is what both servers do.
func (w *world) prepare(b *testing.B) {
	b.Helper()
	sides.FreeLease(b, w.kube)
	s, proxy := w.start(b, agent)
	w.awaitWhole(b, agent, proxy())
	s.Stop()
	sides.HoldLease(b, w.kube)
}

// measure starts a server, and ends it.
func (w *world) measure(b *testing.B, name string) footprint {
	b.Helper()
	began := time.Now()
	s, proxy := w.start(b, name)
	defer s.Stop()
	w.awaitWhole(b, name, proxy())
	out := footprint{endpoints: len(w.members) * w.services * w.each, whole: time.Since(began)}
	time.Sleep(settle)
	var err error
	if out.heap, err = s.Heap(b.Context()); err != nil {
		b.Fatal(err)
	}
	keepProfile(b, s, "heap?gc=1", fmt.Sprintf("heap-%s-%d", name, out.endpoints))
	memory, err := meter.MemoryOf(s.PID())
	if err != nil {
		b.Fatal(err)
	}
	out.resident, out.peak = memory.Now, memory.Peak
	return out
}

// reportFootprints prints all, and how each grows with an endpoint.
func reportFootprints(b *testing.B, found map[string][]footprint) {
	b.Helper()
	text, slopes := "", map[string][3]float64{}
	for _, name := range []string{agent, istiod} {
		var x []float64
		var y [3][]float64
		for _, one := range found[name] {
			x = append(x, float64(one.endpoints))
			for i, value := range []int64{one.heap, one.resident, one.peak} {
				y[i] = append(y[i], float64(value))
			}
			text += fmt.Sprintf("%s, %d endpoints: whole after %s, heap %.1f MB, resident %.1f MB, peak %.1f MB\n",
				name, one.endpoints, one.whole.Round(time.Millisecond), float64(one.heap)/1e6, float64(one.resident)/1e6, float64(one.peak)/1e6)
		}
		slopes[name] = [3]float64{bench.Slope(x, y[0]), bench.Slope(x, y[1]), bench.Slope(x, y[2])}
	}
	for i, what := range []string{"heap", "resident", "peak"} {
		ours, theirs := slopes[agent][i], slopes[istiod][i]
		text += fmt.Sprintf("%s for each endpoint: agent %.0f bytes, istiod %.0f bytes, ratio %.1f\n", what, ours, theirs, theirs/ours)
	}
	last := found[agent][len(found[agent])-1]
	b.ReportMetric(slopes[agent][0], "agent-B/endpoint")
	b.ReportMetric(slopes[istiod][0], "istiod-B/endpoint")
	b.ReportMetric(float64(last.peak)/float64(last.resident), "agent-peak/resident")
	b.ReportMetric(0, "ns/op")
	b.Log("\n" + text)
}
