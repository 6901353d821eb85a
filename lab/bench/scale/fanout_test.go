//go:build bench

package scale

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/internal/meter"
)

// BenchmarkFanOut changes a slice that many streams have asked for, and measures until
// the last of them has it, and what each costs the server (B3). Each of b.N rounds is a
// block of changes for each server. The cache servers are go-control-plane's, fed by a
// watch of the same member; the floor sends answers of no content.
func BenchmarkFanOut(b *testing.B) {
	for _, streams := range []int{1, 10, 100, 1000}[:sized(4, 2)] {
		b.Run(fmt.Sprintf("%d streams", streams), func(b *testing.B) { fanOut(b, streams) })
	}
}

// crowd is a server with its streams.
type crowd struct {
	name string
	process
	target string
	all    []*lean

	mu      sync.Mutex
	waiting int
	done    chan struct{}
	bytes   int
}

// push is one change, until the last stream had it.
type push struct{ took, worked time.Duration }

func fanOut(b *testing.B, streams int) {
	w := newWorld(b, newFleet(b, 2, 100, 10, true))
	w.prepare(b)
	var crowds []*crowd
	for _, name := range []string{agent, istiod, tuned, linear, snapshots, floor} {
		one := w.gather(b, name, streams)
		freeze(b, one.PID(), true)
		crowds = append(crowds, one)
	}
	found, edition := map[string][]push{}, 0
	for b.Loop() {
		slices.Reverse(crowds)
		for _, one := range crowds {
			freeze(b, one.PID(), false)
			time.Sleep(thaw)
			for i := range block {
				edition++
				time.Sleep(pause)
				if took := w.tell(b, one, edition); i > 0 {
					found[one.name] = append(found[one.name], took)
				}
			}
			freeze(b, one.PID(), true)
		}
	}
	reportPushes(b, crowds, found, streams)
}

// gather starts a server and opens streams to it.
func (w *world) gather(b *testing.B, name string, streams int) *crowd {
	b.Helper()
	one := &crowd{name: name}
	names := []string{}
	switch name {
	case floor:
		one.process, names = startSelf(b, floorVariable, "", w.members[1].Kubeconfig(b, w.dir)), []string{event}
	case linear, snapshots:
		one.process = startSelf(b, cacheVariable, name, w.members[1].Kubeconfig(b, w.dir))
		for n := range w.services {
			names = append(names, serviceName(n))
		}
	default:
		s, connect := w.start(b, name)
		proxy := connect()
		w.awaitWhole(b, name, proxy)
		one.process, names = s, namesOf(proxy)
	}
	// A process that is frozen does not hear that it is to end.
	pid := one.PID()
	b.Cleanup(func() { _ = unix.Kill(pid, unix.SIGCONT) }) // it may have ended
	one.target = names[slices.IndexFunc(names, func(one string) bool { return one == event || strings.Contains(one, serviceName(7)) })]
	_, one.all = storm(b, one.process, streams, names, nil)
	for _, l := range one.all {
		go one.listen(l)
	}
	return one
}

// listen counts a stream when it has been told of the target.
func (c *crowd) listen(l *lean) {
	for {
		response, err := l.receive()
		if err != nil {
			return
		}
		for _, one := range response.GetResources() {
			if one.GetName() == c.target {
				c.arrived(proto.Size(response))
			}
		}
	}
}

func (c *crowd) arrived(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes = bytes
	if c.waiting--; c.waiting == 0 {
		close(c.done)
	}
}

// tell makes a change and waits for all streams.
func (w *world) tell(b *testing.B, to *crowd, edition int) push {
	b.Helper()
	to.mu.Lock()
	to.waiting, to.done = len(to.all), make(chan struct{})
	to.mu.Unlock()
	before, err := meter.WorkedExactly(to.PID())
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	w.members[1].Put(w.slice(1, 7, edition))
	select {
	case <-to.done:
	case <-time.After(patience):
		b.Fatalf("%s: %d of %d streams were not told of change %d", to.name, to.waiting, len(to.all), edition)
	}
	took := time.Since(began)
	time.Sleep(pause) // acknowledgements are part of the cost
	after, err := meter.WorkedExactly(to.PID())
	if err != nil {
		b.Fatal(err)
	}
	return push{took, after - before}
}

func reportPushes(b *testing.B, crowds []*crowd, found map[string][]push, streams int) {
	b.Helper()
	text, took, worked := "", map[string][]time.Duration{}, map[string][]time.Duration{}
	for name, all := range found {
		for _, one := range all {
			took[name], worked[name] = append(took[name], one.took), append(worked[name], one.worked/time.Duration(streams))
		}
	}
	for _, one := range crowds {
		text += fmt.Sprintf("%s: last stream after %s (p50), %s (p99); %s of the processor and %d bytes for each stream",
			one.name, millis(took[one.name], 0.5), millis(took[one.name], 0.99), bench.Quantile(worked[one.name], 0.5), one.bytes)
		if one.name != agent {
			late, cost := bench.RatioOf(took[one.name], took[agent], 0.5), bench.RatioOf(worked[one.name], worked[agent], 0.5)
			text += fmt.Sprintf("; over agent %.1f (%.1f to %.1f), cost %.1f (%.1f to %.1f)", late.Value, late.Low, late.High, cost.Value, cost.Low, cost.High)
		}
		text += "\n"
		b.ReportMetric(bench.Quantile(took[one.name], 0.5).Seconds()*1000, slug(one.name)+"-ms")
	}
	b.ReportMetric(0, "ns/op")
	b.Logf("%d changes for each\n%s", len(found[agent]), text)
}
