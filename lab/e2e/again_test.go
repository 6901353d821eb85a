//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// testSecondUp runs up again on a mesh that is whole: the answer and the audit
// logs of all clusters must say that nothing was done.
func testSecondUp(t *testing.T) {
	wantJoined(t, 3)
	before := mark(t)
	r := must(t, append(upArgs(1, 2, 3), "--no-verify")...)
	suite.figures.took("second up of 3 clusters, --no-verify", r.took)
	table, _, _ := strings.Cut(r.stdout, "\n\n")
	rows := 0
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[1] != "unchanged" {
			t.Errorf("second up says: %s", line)
		}
		rows++
	}
	if rows < 3*10 {
		t.Errorf("second up says %d rows, want all objects of 3 clusters\n%s", rows, r.stdout)
	}
	before.wantNoWrites(t)
	calls, _ := before.count(t)
	suite.figures.note("second up of 3 clusters: %d API calls", calls)
	t.Run("plan says so too", func(t *testing.T) { testPlan(t, 0) })
}
