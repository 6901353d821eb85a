// Package explore walks every order in which a few things can happen, for tests of
// protocols that are small enough: breadth first, so that what it finds is the shortest
// way there. It must not know what the things are.
package explore

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// System is what things happen to. It is made anew for every way that is walked, so it
// need not be copied; it must do the same whenever it is walked the same way.
type System interface {
	// Actions are what can happen now.
	Actions() []string
	// Do lets one of them happen. What it says is wrong; empty where nothing is.
	Do(action string) (wrong string)
	// State is equal only where the same can follow, and be wrong.
	State() string
	// Rest lets everything happen that is due, until nothing is. What it says is wrong
	// then; empty where nothing is.
	Rest() (wrong string)
	// Close ends it.
	Close()
}

// All walks all ways and returns the number of states. What is wrong somewhere fails the
// test, with the way there.
func All(t testing.TB, start func() System) (states int) {
	t.Helper()
	return (&walker{t: t, start: start}).all()
}

// InBubble walks all ways in a bubble of testing/synctest, where waits cost nothing. What
// spins there has time stand still, and nobody in the bubble could tell: a step that takes
// longer than patience outside of it ends the process, and says which.
func InBubble(t *testing.T, start func(*testing.T) System) (states int) {
	t.Helper()
	w, over := &walker{}, make(chan struct{})
	w.at.Store(&step{})
	go w.watch(over)
	defer close(over)
	synctest.Test(t, func(t *testing.T) {
		w.t, w.start = t, func() System { return start(t) }
		states = w.all()
	})
	return states
}

// patience is how long a step may take that takes some milliseconds.
const patience = 2 * time.Minute

// walker is one walk.
type walker struct {
	t     testing.TB
	start func() System
	at    atomic.Pointer[step]
}

// step is one that is under way, and the state before it.
type step struct{ way, state string }

// watch ends the process where a step takes too long: whoever walks cannot be interrupted.
func (w *walker) watch(over <-chan struct{}) {
	var last *step
	for waited := time.Duration(0); waited < patience; waited += time.Second {
		select {
		case <-over:
			return
		case <-time.After(time.Second):
		}
		if now := w.at.Load(); now != last {
			last, waited = now, 0
		}
	}
	panic(fmt.Sprintf("after %s: the last step does not end; before it the state was %q", last.way, last.state))
}

func (w *walker) all() (states int) {
	w.t.Helper()
	seen := map[string]bool{}
	for ways := [][]string{nil}; len(ways) > 0; ways = ways[1:] {
		system, wrong := w.walk(ways[0])
		actions := system.Actions()
		if wrong == "" {
			w.reach(system, append(slices.Clone(ways[0]), "rest"))
			wrong = system.Rest()
		}
		system.Close()
		if wrong != "" {
			w.t.Fatalf("after %q: %s", strings.Join(ways[0], ", "), wrong)
		}
		for _, action := range actions {
			way := append(slices.Clone(ways[0]), action)
			next, wrong := w.walk(way)
			state := next.State()
			next.Close()
			if wrong != "" {
				w.t.Fatalf("after %q: %s", strings.Join(way, ", "), wrong)
			}
			if !seen[state] {
				seen[state] = true
				ways = append(ways, way)
			}
		}
	}
	return len(seen)
}

// reach notes that the last step of a way is under way.
func (w *walker) reach(system System, way []string) {
	w.at.Store(&step{way: fmt.Sprintf("%q", strings.Join(way, ", ")), state: system.State()})
}

func (w *walker) walk(way []string) (System, string) {
	system := w.start()
	for i, action := range way {
		w.reach(system, way[:i+1])
		if wrong := system.Do(action); wrong != "" {
			return system, wrong
		}
	}
	return system, ""
}
