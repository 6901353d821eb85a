//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// testDown takes the mesh down to the last object: all clusters are as they were
// before up, and a second run has nothing to do.
func testDown(t *testing.T) {
	wantApart(t)
	before := snapAll(t)
	wantJoined(t, 2)
	sample(t)
	whole(t)
	suite.state = unknown
	down := join([]string{"down", "--purge-trust", "--restart-workloads", "--yes"}, members(1, 2, 3))
	r := must(t, down...)
	suite.figures.took("down --purge-trust of 2 clusters with workloads", r.took)
	for i := 1; i <= 2; i++ {
		kubectl(t, i, "delete", "namespace", "sample")
	}
	suite.state = apart
	for i := 1; i <= 3; i++ {
		wantSame(t, i, before[i-1])
	}
	start := mark(t)
	again := must(t, append(down, "-o", "json")...)
	var report changes
	again.decode(t, &report)
	if written := report.written(); len(written) > 0 {
		t.Errorf("a second down says %q", written)
	}
	for i := 1; i <= 3; i++ {
		for _, one := range start.requests(t, i) {
			if one.stores() {
				t.Errorf("a second down of c%d: %s %s", i, one.Verb, one.RequestURI)
			}
		}
	}
	if strings.Contains(again.stderr, "restarting") {
		t.Errorf("a second down restarts\n%s", again)
	}
}
