//go:build bench

package scale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/internal/meter"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// BenchmarkChurn has slices of ten members change all the time, at several rates, and
// measures what a change costs the server and how late a proxy has it (B2), beside the
// least that a server can do. Each of b.N rounds is one run of each server at each rate.
func BenchmarkChurn(b *testing.B) {
	for _, rate := range []int{100, 1000, 5000}[:sized(3, 1)] {
		b.Run(fmt.Sprintf("%d changes in a second", rate), func(b *testing.B) {
			found := map[string][]churned{}
			for b.Loop() {
				for _, name := range []string{agent, tuned} {
					// Whatever a server has done so far is none of the next one's.
					w := newWorld(b, newFleet(b, 10, 100, 10, true))
					w.prepare(b)
					found[name] = append(found[name], w.churn(b, name, rate))
				}
				w := newWorld(b, newFleet(b, 10, 100, 10, true))
				found[floor] = append(found[floor], w.churnFloor(b, rate))
			}
			reportChurn(b, found)
		})
	}
}

// churned is one run of one server.
type churned struct {
	changes int
	// worked is the processor's time for all of them.
	worked time.Duration
	// late is how long after each change a proxy had it, or a later one of that slice.
	late []time.Duration
}

// target is a slice that changes.
type target struct{ member, service int }

// churn changes slices at a rate and waits until all of it has arrived.
func (w *world) churn(b *testing.B, name string, rate int) churned {
	b.Helper()
	s, connect := w.start(b, name)
	defer s.Stop()
	proxy := connect()
	w.awaitWhole(b, name, proxy)
	time.Sleep(settle)
	follower := follow(proxy)
	before, err := meter.WorkedExactly(s.PID())
	if err != nil {
		b.Fatal(err)
	}
	lasts := churning()
	var profiling sync.WaitGroup
	profiling.Go(func() {
		keepProfile(b, s, fmt.Sprintf("profile?seconds=%d", int(lasts.Seconds())), fmt.Sprintf("cpu-churn-%s-%d", slug(name), rate))
	})
	out := churned{changes: w.change(rate, lasts, func(at target) {
		w.members[at.member].Put(w.slice(at.member, at.service, follower.next(at)))
	})}
	profiling.Wait()
	last := follower.editions()
	sides.Await(b, name+" has told of all changes", func(context.Context) error {
		return w.compare(proxy, func(member, service int) int { return last[target{member, service}] })
	})
	after, err := meter.WorkedExactly(s.PID())
	if err != nil {
		b.Fatal(err)
	}
	out.worked, out.late = after-before, follower.stop()
	keepProfile(b, s, "heap?gc=1", fmt.Sprintf("heap-churn-%s-%d", slug(name), rate))
	return out
}

// churning is how long slices change.
func churning() time.Duration { return time.Duration(sized(10, 2)) * time.Second }

// change changes slices of members near by, at random, evenly in time.
func (w *world) change(rate int, lasts time.Duration, put func(target)) (changes int) {
	random, began := rand.New(rand.NewPCG(1, 1)), time.Now()
	for ; time.Since(began) < lasts; changes++ {
		if due := began.Add(time.Duration(changes) * time.Second / time.Duration(rate)); time.Until(due) > 0 {
			time.Sleep(time.Until(due))
		}
		put(target{1 + random.IntN(len(w.members)-1), random.IntN(w.services)})
	}
	return changes
}

// churnFloor is churn of the least that a server can do.
func (w *world) churnFloor(b *testing.B, rate int) churned {
	b.Helper()
	kubeconfigs, dir := []string{}, b.TempDir()
	for _, member := range w.members {
		kubeconfigs = append(kubeconfigs, member.Kubeconfig(b, dir))
	}
	least := startFloor(b, kubeconfigs...)
	defer least.Stop()
	time.Sleep(settle)
	before, err := meter.WorkedExactly(least.PID())
	if err != nil {
		b.Fatal(err)
	}
	made, editions := map[string]time.Time{}, map[target]int{}
	out := churned{changes: w.change(rate, churning(), func(at target) {
		editions[at]++
		now := time.Now()
		made[told(at.member, w.members[at.member].Put(w.slice(at.member, at.service, editions[at])))] = now
	})}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for event, at := range made {
		out.late = append(out.late, least.seen(ctx, b, event).Sub(at))
	}
	after, err := meter.WorkedExactly(least.PID())
	if err != nil {
		b.Fatal(err)
	}
	out.worked = after - before
	return out
}

// follower notes when which edition of a slice has arrived.
type follower struct {
	proxy *sides.Proxy

	mu      sync.Mutex
	made    map[target][]time.Time // by edition, from 1 on
	arrived map[target]int
	late    []time.Duration
}

func follow(proxy *sides.Proxy) *follower {
	f := &follower{proxy: proxy, made: map[target][]time.Time{}, arrived: map[target]int{}}
	proxy.Watch(f.see)
	return f
}

// next is the edition that a slice is about to have.
func (f *follower) next(at target) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made[at] = append(f.made[at], time.Now())
	return len(f.made[at])
}

func (f *follower) editions() map[target]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[target]int{}
	for at, all := range f.made {
		out[at] = len(all)
	}
	return out
}

// see takes what a proxy was told of a service.
func (f *follower) see(port sides.Port, assignment sides.Assignment) {
	var service int
	if _, err := fmt.Sscanf(port.Service, "service-%d", &service); err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, locality := range assignment.Load.GetEndpoints() {
		for _, one := range locality.GetLbEndpoints() {
			address, err := netip.ParseAddr(one.GetEndpoint().GetAddress().GetSocketAddress().GetAddress())
			if err != nil || !address.Is4() || address.As4()[0] != 11 {
				continue
			}
			raw := address.As4()
			at, edition := target{int(raw[1] & 63), service}, int(raw[1]>>6)<<16|int(raw[2])<<8|int(raw[3])
			for n := f.arrived[at]; n < edition; n++ {
				f.late = append(f.late, assignment.Seen.Sub(f.made[at][n]))
			}
			f.arrived[at] = max(f.arrived[at], edition)
		}
	}
}

// stop returns how late each change was.
func (f *follower) stop() []time.Duration {
	f.proxy.Watch(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.late
}

func reportChurn(b *testing.B, found map[string][]churned) {
	b.Helper()
	text, cost := "", map[string][]time.Duration{}
	for _, name := range []string{agent, tuned, floor} {
		for _, one := range found[name] {
			each := one.worked / time.Duration(one.changes)
			cost[name] = append(cost[name], each)
			text += fmt.Sprintf("%s: %d changes, %s of the processor for each, late by %s at p50, %s at p99\n",
				name, one.changes, each.Round(100*time.Nanosecond), millis(one.late, 0.5), millis(one.late, 0.99))
			if len(one.late) != one.changes {
				b.Fatalf("%s: %d of %d changes arrived", name, len(one.late), one.changes)
			}
		}
		b.ReportMetric(float64(bench.Quantile(cost[name], 0.5).Nanoseconds())/1000, slug(name)+"-us/change")
	}
	b.ReportMetric(0, "ns/op")
	for _, name := range []string{tuned, floor} {
		ratio := bench.RatioOf(cost[name], cost[agent], 0.5)
		text += fmt.Sprintf("cost, %s over agent: %.2f (%.2f to %.2f)\n", name, ratio.Value, ratio.Low, ratio.High)
	}
	b.Logf("\n%s", text)
}
