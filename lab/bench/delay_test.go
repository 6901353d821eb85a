//go:build bench

package bench

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// pause is how long nothing happens before a change, so that nobody is still at work
// on the one before, nor waits for more.
const pause = 250 * time.Millisecond

// warmUp is how many changes are made before any is measured.
const warmUp = 5

// tuned is what makes istiod answer as soon as it can.
var tuned = map[string]string{
	"PILOT_DEBOUNCE_AFTER": "1ms", "PILOT_ENABLE_EDS_DEBOUNCE": "false",
	"PILOT_PUSH_THROTTLE": "100", "PILOT_MAX_REQUESTS_PER_SECOND": "10000",
}

// BenchmarkDelay measures from a change of one EndpointSlice to the answer that an
// xDS client has decoded: by istiod and by the agent, in turns, of the same API
// server. Each server's services are in a namespace that the other does not serve.
func BenchmarkDelay(b *testing.B) {
	for _, setting := range []struct {
		name   string
		istiod map[string]string
	}{{"istiod as shipped", nil}, {"istiod tuned", tuned}} {
		b.Run(setting.name, func(b *testing.B) {
			r := newRace(b, setting.istiod)
			b.Run("own cluster", func(b *testing.B) { r.run(b, "own", r.ownCluster) })
			b.Run("other cluster", func(b *testing.B) { r.run(b, "other", r.otherCluster) })
		})
	}
}

// race is both servers of the first cluster, with a client each.
type race struct {
	kube    [2]kubernetes.Interface
	clients map[string]*sides.Proxy
}

// The servers, by which their namespaces are named too.
const (
	istiod = "bench-istiod"
	agent  = "bench-agent"
)

func newRace(b *testing.B, settings map[string]string) *race {
	b.Helper()
	r := &race{clients: map[string]*sides.Proxy{}}
	for i, c := range clusters {
		r.kube[i] = sides.Kube(b, c.Kubeconfig)
		for _, name := range []string{istiod, agent} {
			namespace(b, r.kube[i], name)
		}
	}
	path, err := binary("EASTWEST_AGENT_BIN", "eastwest-agent")
	if err != nil {
		b.Fatal(err)
	}
	theirs := sides.OpenIstiod(b, r.kube[0], clusters[0])
	theirs.Tune(b, r.kube[0], settings)
	r.clients[istiod] = theirs.Proxy(b, istiod)
	r.clients[agent] = sides.StartAgent(b, sides.AgentOptions{
		Binary: path, Own: sides.Of(clusters[0]), Peers: []sides.Cluster{sides.Of(clusters[1])}, Namespaces: []string{agent}, Root: testca.Root(b),
	}).Proxy(b)
	return r
}

// namespace makes a namespace until the benchmark ends.
func namespace(b *testing.B, kube kubernetes.Interface, name string) {
	b.Helper()
	api := kube.CoreV1().Namespaces()
	if _, err := api.Create(b.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		b.Fatalf("make namespace %s, which must not be there: %v", name, err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), time.Minute)
		defer cancel()
		if err := remove(ctx, api, name); err != nil {
			b.Errorf("remove namespace %s: %v", name, err)
		}
	})
}

// sample is one change: until the client has the answer, and until anybody who
// watches the API server has the change.
type sample struct{ answered, watched time.Duration }

// run takes turns: a change for istiod, a change for the agent.
func (r *race) run(b *testing.B, service string, prepare func(b *testing.B, server, service string) course) {
	courses, samples := map[string]course{}, map[string][]sample{}
	for _, server := range []string{istiod, agent} {
		courses[server] = prepare(b, server, service)
	}
	for i := range warmUp {
		for server, course := range courses {
			r.measure(b, server, course, i)
		}
	}
	order := []string{istiod, agent}
	for i := warmUp; b.Loop(); i++ {
		slices.Reverse(order) // whoever is first has no advantage
		for _, server := range order {
			time.Sleep(pause)
			samples[server] = append(samples[server], r.measure(b, server, courses[server], i))
		}
	}
	report(b, samples)
}

// measure makes change number i and waits for its answer. A wrong or lost answer ends
// the benchmark.
func (r *race) measure(b *testing.B, server string, c course, i int) sample {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 15*time.Second)
	defer cancel()
	want := c.want(i)
	start := time.Now()
	version := c.change(ctx, b, i)
	for {
		changed := r.clients[server].Changed()
		all, err := r.clients[server].Assignments()
		if err != nil {
			b.Fatalf("%s: %v", server, err)
		}
		assignment := all[c.port]
		if got := sides.AnswerOf(assignment.Load); maps.Equal(got, want) {
			return sample{assignment.Seen.Sub(start), c.watcher.seen(ctx, b, version).Sub(start)}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			b.Fatalf("%s: change %d: got %v, want %v", server, i, sides.AnswerOf(assignment.Load), want)
		}
	}
}

// report prints quantiles of both servers and, of the whole delay, their ratio, istiod
// over agent. What comes after the watch is the servers' own share; it is below zero
// where a server was faster than the plain watch.
func report(b *testing.B, samples map[string][]sample) {
	b.Helper()
	whole, own := map[string][]time.Duration{}, map[string][]time.Duration{}
	for server, all := range samples {
		for _, one := range all {
			whole[server], own[server] = append(whole[server], one.answered), append(own[server], one.answered-one.watched)
		}
	}
	text := ""
	for _, q := range []float64{0.5, 0.95, 0.99} {
		ratio := RatioOf(whole[istiod], whole[agent], q)
		text += fmt.Sprintf("p%g: change to answer: istiod %s, agent %s, ratio %.1f (%.1f to %.1f); watch to answer: istiod %s, agent %s\n",
			q*100, millis(whole[istiod], q), millis(whole[agent], q), ratio.Value, ratio.Low, ratio.High, millis(own[istiod], q), millis(own[agent], q))
		b.ReportMetric(Quantile(whole[istiod], q).Seconds()*1000, fmt.Sprintf("istiod-p%g-ms", q*100))
		b.ReportMetric(Quantile(whole[agent], q).Seconds()*1000, fmt.Sprintf("agent-p%g-ms", q*100))
	}
	b.ReportMetric(0, "ns/op") // the time of a turn says nothing
	b.Logf("%d changes for each\n%s", len(samples[agent]), text)
	if err := keep(b.Name(), samples); err != nil {
		b.Fatal(err)
	}
}

func millis(samples []time.Duration, q float64) string {
	return fmt.Sprintf("%.1f ms", Quantile(samples, q).Seconds()*1000)
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
