// Package explore walks every order in which a few things can happen, for tests of
// protocols that are small enough: breadth first, so that what it finds is the shortest
// way there. It must not know what the things are.
package explore

import (
	"slices"
	"strings"
	"testing"
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
	seen := map[string]bool{}
	for ways := [][]string{nil}; len(ways) > 0; ways = ways[1:] {
		system, wrong := walk(start, ways[0])
		actions := system.Actions()
		if wrong == "" {
			wrong = system.Rest()
		}
		system.Close()
		if wrong != "" {
			t.Fatalf("after %q: %s", strings.Join(ways[0], ", "), wrong)
		}
		for _, action := range actions {
			way := append(slices.Clone(ways[0]), action)
			next, wrong := walk(start, way)
			state := next.State()
			next.Close()
			if wrong != "" {
				t.Fatalf("after %q: %s", strings.Join(way, ", "), wrong)
			}
			if !seen[state] {
				seen[state] = true
				ways = append(ways, way)
			}
		}
	}
	return len(seen)
}

func walk(start func() System, way []string) (System, string) {
	system := start()
	for _, action := range way {
		if wrong := system.Do(action); wrong != "" {
			return system, wrong
		}
	}
	return system, ""
}
