//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// testOneDown is row F46: a cluster that does not answer costs its own pairs.
func testOneDown(t *testing.T) {
	firewall(t, 3, "tcp dport 6443")
	defer closeFirewall(t, 3)
	report, r := createMeshReport(t, 3, createMesh([]int{1, 2, 3})...)
	r.wantErr(t, "cluster c3: ClusterUnreachable", "fix: ")
	for _, w := range report.written() {
		if strings.Contains(w, "c3") {
			t.Errorf("it wrote %s", w)
		}
	}
	wantSecrets(t, 1, "istio-remote-secret-c2")
	wantSecrets(t, 2, "istio-remote-secret-c1")
	closeFirewall(t, 3)
	report, _ = createMeshReport(t, 0, createMesh([]int{1, 2, 3})...)
	wantOnly(t, report, "c3")
	wantRemotes(t, 1, 2, 3)
}

// testAtOnce is the first half of row F47: two runs at once come to the same.
func testAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var both [2]*exec.Cmd
	var outputs [2]bytes.Buffer
	var runs sync.WaitGroup
	for i := range both {
		both[i] = command(ctx, t.TempDir(), createMesh([]int{1, 2})...)
		both[i].Stdout, both[i].Stderr = &outputs[i], &outputs[i]
		runs.Go(func() { _ = both[i].Run() }) // the exit code is looked at below
	}
	runs.Wait()
	for i, cmd := range both {
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d\n%s", code, outputs[i].String())
		}
	}
	wantRemotes(t, 1, 2)
	wantSettled(t)
}

// wantSettled wants that another run finds nothing to do.
func wantSettled(t *testing.T) {
	t.Helper()
	report, r := createMeshReport(t, 0, createMesh([]int{1, 2})...)
	if written := report.written(); len(written) > 0 {
		t.Errorf("another run still wrote %q\n%s", written, r)
	}
}

// testForeignOwner is the second half of row F47: what another manager set is
// not taken from it without consent.
func testForeignOwner(t *testing.T) {
	must(t, createMesh([]int{1, 2})...)
	kubectlIn(t, 2, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: eastwest-istiod-c1}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]`,
		"apply", "--server-side", "--force-conflicts", "--field-manager=alice", "-f", "-")
	r := eastwest(t, createMesh([]int{1, 2})...)
	r.wantExit(t, 4)
	r.wantErr(t, "FieldConflict", "cluster c2", "ClusterRole eastwest-istiod-c1", `"alice"`, "fix: ", "--adopt")
	must(t, createMesh([]int{1, 2}, "--adopt")...)
	wantRemotes(t, 1, 2)
	wantSettled(t)
}
