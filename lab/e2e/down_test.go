//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// testDown takes the mesh down to the last object: all clusters are as they were
// before up, and a second run has nothing to do.
func testDown(t *testing.T) {
	if suite.baseline == nil {
		wantApart(t)
		suite.baseline = snapAll(t)
	}
	wantJoined(t, 2)
	sample(t)
	whole(t)
	suite.state = unknown
	down := join([]string{"down", "--purge-trust", "--restart-workloads", "--yes"}, members(everyone()...))
	r := must(t, down...)
	suite.figures.took("down --purge-trust of 2 clusters with workloads", r.took)
	forgetWorkloads(t)
	suite.state = apart
	for i, before := range suite.baseline {
		wantSame(t, i+1, before)
	}
	start := mark(t)
	again := must(t, append(down, "-o", "json")...)
	var report changes
	again.decode(t, &report)
	if written := report.written(); len(written) > 0 {
		t.Errorf("a second down says %q", written)
	}
	start.wantNoWrites(t)
	if strings.Contains(again.stderr, "restarting") {
		t.Errorf("a second down restarts\n%s", again)
	}
}
