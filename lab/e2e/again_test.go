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
	seen := 0
	for i := 1; i <= 3; i++ {
		for _, one := range before.requests(t, i) {
			seen++
			if one.stores() {
				t.Errorf("c%d: %s %s (%d)", i, one.Verb, one.RequestURI, one.ResponseStatus.Code)
			}
		}
	}
	if seen == 0 {
		t.Error("the audit logs hold no request of eastwest at all")
	}
	suite.figures.note("second up of 3 clusters: %d API calls", seen)
}
