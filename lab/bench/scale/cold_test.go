//go:build bench

package scale

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubewatch "k8s.io/apimachinery/pkg/watch"

	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// BenchmarkColdStart measures from the start of a process without a snapshot until a
// proxy has been told of ten members with 10,000 endpoints each (B5a), and again with one
// more member that does not answer. Bare watches, in this process, are as fast as a
// client of the members can be.
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
		found["bare watches"] = append(found["bare watches"], w.bareWatches(b))
	}
	text := ""
	for _, name := range []string{agent, istiod, agent + dead, istiod + dead, "bare watches"} {
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
	w.awaitWhole(b, name, proxy())
	return time.Since(began)
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

// bareWatches reads the slices of all members at once, as protobuf, and keeps nothing.
func (w *world) bareWatches(b *testing.B) time.Duration {
	b.Helper()
	began := time.Now()
	errs := make([]error, len(w.members))
	var group sync.WaitGroup
	for i, member := range w.members {
		group.Go(func() {
			errs[i] = readAll(b.Context(), sides.Kube(b, member.Kubeconfig(b, b.TempDir())).DiscoveryV1().EndpointSlices(namespace), w.services)
		})
	}
	group.Wait()
	if at := slices.IndexFunc(errs, func(err error) bool { return err != nil }); at >= 0 {
		b.Fatal(errs[at])
	}
	return time.Since(began)
}

// readAll reads so many slices of a watch.
func readAll(ctx context.Context, from interface {
	Watch(ctx context.Context, opts metav1.ListOptions) (kubewatch.Interface, error)
}, count int,
) error {
	stream, err := from.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for range count {
		event := <-stream.ResultChan()
		if _, is := event.Object.(*discoveryv1.EndpointSlice); !is {
			return fmt.Errorf("a watch brought %v", event)
		}
	}
	return nil
}
