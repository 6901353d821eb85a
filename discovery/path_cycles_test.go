package discovery

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestComingAndGoingLeavesNothing: after members have joined and left many times an
// agent holds no more than after a tenth of that, in goroutines and on the heap.
func TestComingAndGoingLeavesNothing(t *testing.T) {
	flat(t, runs(t, 40), func(w *world, cycle int) {
		name := peerNames[cycle%len(peerNames)]
		w.step([]op{{"join", name, "-", 0}, {"service", name, "b", 0}, {"export", name, "b", 0}, {"slice", name, "b", 0x50 + cycle%2}})
		after(time.Second)
		if served := w.gateways[0].serves()["egress|80|b.shop"]; name != nearName && len(served) != 1 {
			w.violate("cycle %d: %v of %s is served", cycle, served, name)
		}
		w.step([]op{{"leave", name, "-", 0}})
		after(time.Second)
	})
}

// TestRotationsLeaveNothing is F18: credentials are replaced while a member's slices
// change. What stays is never taken away meanwhile, and nothing is left behind.
func TestRotationsLeaveNothing(t *testing.T) {
	const most = 600 // more would use up the addresses that a world has
	flat(t, min(runs(t, 20), most), func(w *world, cycle int) {
		if cycle == 0 {
			w.step([]op{{"join", nearName, "-", 0}, {"join", "north", "-", 0}})
			for _, name := range []model.MemberName{nearName, "north"} {
				w.step([]op{{"service", name, "a", 0}, {"export", name, "a", 0}, {"slice", name, "a", 0x40}})
			}
			w.rest()
			for _, g := range w.gateways {
				g.guard("egress|80|a.shop")
			}
		}
		w.step([]op{
			{"slice", nearName, "a", 0x20 + cycle%2*0x10 + 1},
			{"rotate", nearName, "-", 0},
			{"slice", nearName, "a", 0x30 + cycle%2*0x10 + 1},
			{"rotate", "north", "-", 0},
		})
	})
}

// guard wants what a cluster has now to be in it from now on.
func (g *gateway) guard(cluster string) {
	stays := g.serves()[cluster]
	g.mu.Lock()
	defer g.mu.Unlock()
	g.guarded = map[string][]host{cluster: stays}
}

// checkGuardedLocked compares only where an endpoint is: a gateway's weight follows the
// number of pods behind it.
func (g *gateway) checkGuardedLocked(cluster string, hosts []host) {
	for _, one := range g.guarded[cluster] {
		if !slices.ContainsFunc(hosts, func(h host) bool { return h.address == one.address }) {
			g.world.violate("I2: %s of %s was taken from %s", one.address, one.member, cluster)
		}
	}
}

// flat repeats something, and compares what is held after a tenth of all cycles with what
// is held at the end. It must not run beside other tests, whose memory it would see.
func flat(t *testing.T, cycles int, once func(w *world, cycle int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rest()
		var early, late held
		for cycle := range cycles {
			once(w, cycle)
			w.drop()
			if cycle == max(cycles/10, 6) {
				early = measure(w)
			}
			if len(w.violations) > 0 {
				t.Fatalf("cycle %d: %v", cycle, w.violations)
			}
		}
		late = measure(w)
		t.Logf("%d cycles: %+v, then %+v", cycles, early, late)
		if late.goroutines > early.goroutines+early.goroutines/20 {
			t.Errorf("%d goroutines, %d before", late.goroutines, early.goroutines)
		}
		// A mebibyte is what caches of a process take that know no bubble.
		if late.heap > early.heap+early.heap/20+1<<20 {
			t.Errorf("%d bytes, %d before", late.heap, early.heap)
		}
	})
}

// held is what a process holds.
type held struct {
	goroutines int
	heap       uint64
}

func measure(w *world) held {
	w.rest()
	w.drop()
	for range 3 {
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return held{runtime.NumGoroutine(), stats.HeapAlloc}
}

// drop forgets what only the test keeps.
func (w *world) drop() {
	for _, c := range w.clusters {
		c.api.Do(func() { c.api.Requests = nil })
	}
	w.logs.mu.Lock()
	w.logs.text.Reset()
	w.logs.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.origin)
	for _, c := range w.clusters {
		for at, one := range c.slices {
			w.noteLocked(at, one)
		}
	}
	clear(w.facts.ownUntil)
}
