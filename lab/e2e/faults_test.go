//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// faultBound is within what time a fault must be named.
const faultBound = time.Minute

// policyNamespace is where the test workloads run under policies of the user.
const policyNamespace = "policy"

// fault breaks the mesh of c1 and c2 so that c1 does not reach c2 in one way.
type fault struct {
	inject, undo func(t *testing.T)
	// verify are further arguments of verify.
	verify []string
	// check and hop are the finding that must be there, cluster where it must be
	// mended, fix a part of how.
	check, hop, cluster, fix string
	// links are those it breaks, c1 -> c2 alone if there are none.
	links []string
	// evidence is a part of what was read, works that traffic flows still.
	evidence string
	works    bool
	// status is the state that status must give the link, if it can see it.
	status string
}

// testFaults sets every broken mesh up for real: it must be named with the right
// check and fix, by exit code 5, within a minute, and be whole again afterwards.
func testFaults(t *testing.T) {
	if suite.state != joinedThree {
		wantJoined(t, 2)
	}
	sample(t)
	for i := 1; i <= 2; i++ {
		apply(t, i, namespace(policyNamespace))
	}
	whole(t)
	for _, table := range []map[string]fault{gatewayFaults(), discoveryFaults(), policyFaults(), trustFaults()} {
		for _, name := range slices.Sorted(maps.Keys(table)) {
			t.Run(name, table[name].run)
		}
	}
	t.Run("a member that does not answer costs its own rows", testDeadMember)
	t.Run("an interrupted verification leaves nothing", testInterrupted)
	wantNoVerification(t)
}

func (f fault) run(t *testing.T) {
	defer func() {
		f.undo(t)
		whole(t)
	}()
	f.inject(t)
	if f.status != "" {
		f.wantStatus(t)
	}
	v, r := verify(t, []int{1, 2}, f.verify...)
	t.Logf("verify took %s", r.took.Round(time.Second))
	if r.took > faultBound {
		t.Errorf("verify took %s, want at most %s", r.took.Round(time.Second), faultBound)
	}
	if r.exit != 5 {
		t.Errorf("exit code %d, want 5", r.exit)
	}
	found, ok := v.find(f.check)
	if !ok {
		t.Fatalf("no finding %s in\n%v\n%s", f.check, v.Findings, r)
	}
	t.Logf("found: %s", found)
	f.compare(t, found)
	if len(v.Notes) > 0 {
		t.Errorf("notes: %q", v.Notes)
	}
}

func (f fault) compare(t *testing.T, found finding) {
	t.Helper()
	if found.Hop != f.hop || found.Severity != "fail" || found.Cluster != f.cluster {
		t.Errorf("found %s at hop %q on %q, want a failure at hop %q on %q", found.Severity, found.Hop, found.Cluster, f.hop, f.cluster)
	}
	want := f.links
	if want == nil {
		want = []string{"c1 -> c2"}
	}
	if !slices.Equal(found.Links, want) {
		t.Errorf("it is about links %q, want %q", found.Links, want)
	}
	if !strings.Contains(found.Fix, f.fix) {
		t.Errorf("the fix is %q, want %q in it", found.Fix, f.fix)
	}
	if !strings.Contains(strings.Join(found.Evidence, "\n"), f.evidence) {
		t.Errorf("the evidence is %q, want %q in it", found.Evidence, f.evidence)
	}
	if found.TrafficWorks != f.works {
		t.Errorf("it says that traffic works: %t, want %t", found.TrafficWorks, f.works)
	}
}

// wantStatus waits until status names the fault too: an API server remembers a
// token it has just seen.
func (f fault) wantStatus(t *testing.T) {
	t.Helper()
	err := waitFor(t, faultBound, func(context.Context) error {
		s, r := status(t, 1, 2)
		for _, l := range s.Links {
			if l.Consumer == "c1" && l.Producer == "c2" && l.State == f.status && r.exit == 5 && l.Fix != "" {
				return nil
			}
		}
		return fmt.Errorf("want state %q of c1 -> c2 with a fix and exit code 5\n%s", f.status, r)
	})
	if err != nil {
		t.Errorf("status does not name it within %s: %v", faultBound, err)
	}
}
