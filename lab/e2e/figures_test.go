//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// figures are what was measured on the way.
type figures struct{ lines []string }

// took notes a duration.
func (f *figures) took(what string, d time.Duration) {
	f.note("%s: %s", what, d.Round(10*time.Millisecond))
}

// note notes anything.
func (f *figures) note(format string, args ...any) {
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}

// log prints what was measured, and the memory of the clusters as they are now.
func (f *figures) log(t *testing.T) {
	for _, line := range f.lines {
		t.Log("figure: " + line)
	}
	for _, c := range suite.lab.Status(t.Context()).Clusters {
		t.Logf("figure: memory of %s: %d MiB", c.Name, c.MemoryBytes>>20)
	}
}
