//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// trustRemains are what leave keeps of its cluster: the CA that its workloads
// hold certificates of, and the record of it.
var trustRemains = []string{"Secret istio-system/cacerts", "Namespace eastwest-system", " eastwest-system/"}

// testLeave takes c3 out of a mesh of three: the objects of c1 and c2 are then
// what they were before it came, and its own but for its CA.
func testLeave(t *testing.T) {
	wantJoined(t, 2)
	before := snapAll(t)
	wantJoined(t, 3)
	must(t, join([]string{"leave", "c3", "--yes"}, members(1, 2, 3))...)
	suite.state = joinedTwo
	wantSame(t, 1, before[0])
	wantSame(t, 2, before[1])
	wantSame(t, 3, before[2], trustRemains...)
}

// testLeaveUnreachable is row F49: a member that does not answer leaves, its
// leftovers are listed, and a later run removes them.
func testLeaveUnreachable(t *testing.T) {
	wantJoined(t, 2)
	before := snapAll(t)
	wantJoined(t, 3)
	suite.state = unknown
	ctx, cancel := bounded(t)
	defer cancel()
	if err := cluster(3).Stop(ctx, "kube-apiserver", unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	leave := join([]string{"leave", "c3", "--yes", "--timeout", "2m"}, members(1, 2, 3))
	r := eastwest(t, leave...)
	t.Logf("leave of an unreachable member took %s", r.took)
	if err := cluster(3).Start(ctx, "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	r.wantExit(t, 3)
	r.wantErr(t, "cluster c3: ClusterUnreachable", "left behind", "gateway", "run this again")
	wantSame(t, 1, before[0])
	wantSame(t, 2, before[1])
	awaitAPI(t, 3)
	again := eastwest(t, append(leave, "-o", "json")...)
	again.wantExit(t, 0)
	var report changes
	again.decode(t, &report)
	written := report.written()
	if len(written) == 0 || slices.ContainsFunc(written, func(w string) bool { return !strings.HasPrefix(w, "c3 deleted") }) {
		t.Errorf("the second run wrote %q, want deletions in c3", written)
	}
	suite.state = joinedTwo
	wantSame(t, 3, before[2], trustRemains...)
	for i := 1; i <= 2; i++ {
		wantSame(t, i, before[i-1])
	}
}
