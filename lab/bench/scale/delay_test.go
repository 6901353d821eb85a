//go:build bench

package scale

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

const (
	// pause is how long nothing happens before a change, so that nobody is still at work
	// on the one before, nor waits for more.
	pause = 200 * time.Millisecond
	// block is how many changes a server is asked for in a row, the first of which counts
	// for nothing: the others are frozen meanwhile, and have to catch up when it is their
	// turn.
	block = 6
	// thaw is how long a server has for that.
	thaw = time.Second
)

// BenchmarkDelay measures from a change of one EndpointSlice to the answer that an xDS
// client has (B1): each of b.N rounds is a block of changes for each server.
func BenchmarkDelay(b *testing.B) {
	run := func(name string, course func(*world) course) {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, newFleet(b, 2, 10, each, true))
			w.delay(b, course(w))
		})
	}
	run("own cluster", func(w *world) course { return w.ownCourse(b) })
	run("member on the same network", func(w *world) course { return w.memberCourse(b, 1) })
	run("member behind a gateway", func(w *world) course { return w.memberCourse(b, 0) })
}

// course is a slice that changes over and over.
type course struct {
	kubeconfig string
	kube       kubernetes.Interface
	port       sides.Port
	// change makes change number i and returns its version.
	change func(i int) string
	// want reports whether a proxy has been told of change number i.
	want func(i int, got sides.Answer) bool
}

// ownCourse is a service of the own cluster, which a real API server has.
func (w *world) ownCourse(b *testing.B) course {
	b.Helper()
	const name = "own"
	_, err := w.kube.CoreV1().Services(namespace).Create(b.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil && !errors.IsAlreadyExists(err) {
		b.Fatal(err)
	}
	of := &fleet{services: 1, each: each} // whose endpoints are addresses alone
	slice := func(i int) *discoveryv1.EndpointSlice {
		one := of.slice(50, 0, i)
		one.Name, one.UID, one.Labels[discoveryv1.LabelServiceName] = name, "", name
		return one
	}
	api := w.kube.DiscoveryV1().EndpointSlices(namespace)
	if _, err := api.Create(b.Context(), slice(0), metav1.CreateOptions{}); err != nil && !errors.IsAlreadyExists(err) {
		b.Fatal(err)
	}
	return course{
		kubeconfig: w.own.Kubeconfig, kube: w.kube, port: sides.Port{Namespace: namespace, Service: name, Number: 80},
		change: func(i int) string {
			changed, err := api.Update(b.Context(), slice(i), metav1.UpdateOptions{})
			if err != nil {
				b.Fatal(err)
			}
			return changed.ResourceVersion
		},
		want: func(i int, got sides.Answer) bool {
			_, has := got[fmt.Sprintf("%s:%d", of.address(50, 0, each-1, i), port)]
			return has && len(got) == each
		},
	}
}

// memberCourse is a service of a member, which is replayed. Behind a gateway it has an
// endpoint more or less, and the gateway's weight follows.
func (w *world) memberCourse(b *testing.B, member int) course {
	b.Helper()
	config := w.members[member].Kubeconfig(b, b.TempDir())
	behind := networkOf(member) == far
	return course{
		kubeconfig: config, kube: sides.Kube(b, config), port: sides.Port{Namespace: namespace, Service: serviceName(0), Number: 80},
		change: func(i int) string {
			one := w.slice(member, 0, i)
			if behind {
				one = w.slice(member, 0, 0)
				one.Endpoints = one.Endpoints[:each-i%2]
			}
			return w.members[member].Put(one)
		},
		want: func(i int, got sides.Answer) bool {
			gateway := got[gatewayAddress(0)+":15443"]
			if behind {
				return gateway.Weight == each-i%2
			}
			_, has := got[fmt.Sprintf("%s:%d", w.address(member, 0, each-1, i), port)]
			return has
		},
	}
}

// sample is one change: until the client has the answer, and until anybody who watches
// the API server has the change.
type sample struct{ answered, watched time.Duration }

// contender is a server that is asked in its turn.
type contender struct {
	name  string
	pid   int
	proxy *sides.Proxy
	floor *floorClient
}

func (w *world) contenders(b *testing.B, c course) []*contender {
	b.Helper()
	w.prepare(b)
	all := []*contender{}
	for _, name := range []string{agent, istiod, tuned} {
		s, proxy := w.start(b, name)
		one := &contender{name: name, pid: s.PID(), proxy: proxy()}
		w.awaitWhole(b, name, one.proxy)
		freeze(b, one.pid, true)
		// A process that is frozen does not hear that it is to end.
		b.Cleanup(func() { _ = unix.Kill(one.pid, unix.SIGCONT) })
		all = append(all, one)
	}
	least := startFloor(b, c.kubeconfig)
	return append(all, &contender{name: floor, pid: least.PID(), floor: least})
}

// freeze stops a process, or has it go on.
func freeze(b *testing.B, pid int, frozen bool) {
	b.Helper()
	signal := unix.SIGCONT
	if frozen {
		signal = unix.SIGSTOP
	}
	if err := unix.Kill(pid, signal); err != nil {
		b.Fatal(err)
	}
}

// delay takes turns.
func (w *world) delay(b *testing.B, c course) {
	all, plain, samples := w.contenders(b, c), watch(b, c.kube), map[string][]sample{}
	freeze(b, all[len(all)-1].pid, true)
	number := 0
	for b.Loop() {
		slices.Reverse(all) // whoever is first has no advantage
		for _, one := range all {
			freeze(b, one.pid, false)
			time.Sleep(thaw)
			for i := range block {
				number++
				time.Sleep(pause)
				if found := one.measure(b, c, plain, number); i > 0 {
					samples[one.name] = append(samples[one.name], found)
				}
			}
			freeze(b, one.pid, true)
		}
	}
	report(b, samples)
}

// measure makes a change and waits for its answer. A wrong or lost answer ends the
// benchmark.
func (one *contender) measure(b *testing.B, c course, plain *watcher, number int) sample {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 15*time.Second)
	defer cancel()
	start := time.Now()
	version := c.change(number)
	if one.floor != nil {
		return sample{one.floor.seen(ctx, b, told(0, version)).Sub(start), plain.seen(ctx, b, version).Sub(start)}
	}
	for {
		changed := one.proxy.Changed()
		assignments, err := one.proxy.Assignments()
		if err != nil {
			b.Fatalf("%s: %v", one.name, err)
		}
		assignment := assignments[c.port]
		got := sides.AnswerOf(assignment.Load)
		if c.want(number, got) && assignment.Seen.After(start) {
			return sample{assignment.Seen.Sub(start), plain.seen(ctx, b, version).Sub(start)}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			b.Fatalf("%s: change %d is not seen: %v", one.name, number, got)
		}
	}
}

// report prints quantiles of all, and of the servers' own share their ratios to that of
// the agent. It is below zero where a server was faster than the plain watch.
func report(b *testing.B, samples map[string][]sample) {
	b.Helper()
	whole, own := map[string][]time.Duration{}, map[string][]time.Duration{}
	for name, all := range samples {
		for _, one := range all {
			whole[name], own[name] = append(whole[name], one.answered), append(own[name], one.answered-one.watched)
		}
	}
	text := ""
	for _, q := range []float64{0.5, 0.95, 0.99} {
		text += fmt.Sprintf("p%g:", q*100)
		for _, name := range slices.Sorted(maps.Keys(samples)) {
			text += fmt.Sprintf(" %s %s after the change, %s after the watch;", name, millis(whole[name], q), millis(own[name], q))
		}
		for _, name := range []string{istiod, tuned, floor} {
			of, share := bench.RatioOf(whole[name], whole[agent], q), bench.RatioOf(own[name], own[agent], q)
			text += fmt.Sprintf(" %s over agent %.2f (%.2f to %.2f), own share %.2f (%.2f to %.2f);", name, of.Value, of.Low, of.High, share.Value, share.Low, share.High)
		}
		text += "\n"
		for name, all := range own {
			b.ReportMetric(bench.Quantile(all, q).Seconds()*1000, fmt.Sprintf("%s-p%g-ms", slug(name), q*100))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.Logf("%d changes for each\n%s", len(samples[agent]), text)
	if err := keep(b.Name(), samples); err != nil {
		b.Fatal(err)
	}
}

func millis(samples []time.Duration, q float64) string {
	return fmt.Sprintf("%.2f ms", bench.Quantile(samples, q).Seconds()*1000)
}

// keep adds the samples to the file for them, if there is one.
func keep(name string, samples map[string][]sample) error {
	path := os.Getenv("EASTWEST_BENCH_SAMPLES")
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for server, all := range samples {
		for i, one := range all {
			fmt.Fprintf(file, "%s,%s,%d,%d,%d\n", name, server, i, one.answered.Microseconds(), one.watched.Microseconds())
		}
	}
	return file.Close()
}
