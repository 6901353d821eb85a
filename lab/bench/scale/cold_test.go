//go:build bench

package scale

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// BenchmarkColdStart measures from the start of a process without a snapshot until a
// proxy has been told of ten members with 10,000 endpoints each (B5a), and again with one
// more member that does not answer. Bare watches are the least that a process can do that
// reads the slices: it ends when it has them. The floor is the least that one can do that
// tells of them, too.
func BenchmarkColdStart(b *testing.B) {
	w := newWorld(b, newFleet(b, sized(10, 2), sized(100, 10), each, true))
	w.prepare(b)
	found := map[string][]time.Duration{}
	const dead = ", one member dead"
	for b.Loop() {
		for _, name := range []string{agent, istiod} {
			found[name] = append(found[name], w.coldStart(b, name))
		}
		revive := w.kill(b)
		for _, name := range []string{agent, istiod} {
			found[name+dead] = append(found[name+dead], w.coldStart(b, name))
		}
		revive()
		found[bare] = append(found[bare], w.bareWatches(b))
		found[floor] = append(found[floor], w.coldFloor(b))
	}
	text := ""
	for _, name := range []string{agent, istiod, agent + dead, istiod + dead, bare, floor} {
		ratio := bench.RatioOf(found[name], found[agent], 0.5)
		text += fmt.Sprintf("%s: whole after %s (median of %d), over agent %.2f (%.2f to %.2f)\n",
			name, bench.Quantile(found[name], 0.5).Round(time.Millisecond), len(found[name]), ratio.Value, ratio.Low, ratio.High)
		b.ReportMetric(bench.Quantile(found[name], 0.5).Seconds(), slug(name)+"-s")
	}
	b.ReportMetric(0, "ns/op")
	b.Log("\n" + text)
}

// coldStart starts a server and ends it.
func (w *world) coldStart(b *testing.B, name string) time.Duration {
	b.Helper()
	began := time.Now()
	s, proxy := w.start(b, name)
	defer s.Stop()
	p := proxy()
	w.awaitWhole(b, name, p)
	assignments, err := p.Assignments()
	if err != nil {
		b.Fatal(err)
	}
	last := began
	for _, one := range assignments {
		if one.Seen.After(last) {
			last = one.Seen
		}
	}
	return last.Sub(began)
}

// kill adds a member at an address that takes connections and never answers, until what
// it returns is called.
func (w *world) kill(b *testing.B) func() {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var held sync.WaitGroup
	held.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.Cleanup(func() { _ = conn.Close() })
		}
	})
	w.dead = &sides.Cluster{Name: "dead", ID: "dead", Network: near, MeshID: "bench", Kubeconfig: w.members[0].KubeconfigAt(b, b.TempDir(), "dead", "https://"+listener.Addr().String())}
	w.introduce(b)
	return func() {
		w.dead = nil
		w.introduce(b)
		_ = listener.Close()
		held.Wait()
	}
}
