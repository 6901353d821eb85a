//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testInterrupted stops a verification as Ctrl-C does, while its workloads run.
func testInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var errors bytes.Buffer
	cmd := command(ctx, t.TempDir(), join([]string{"verify"}, members(1, 2), images())...)
	cmd.Stderr = &errors
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "pods of the verification", time.Minute, func(ctx context.Context) error {
		if len(verifications(t, 1, "")) == 0 {
			return fmt.Errorf("there is no namespace")
		}
		return nil
	})
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 6 {
		t.Errorf("exit code %d, want 6\n%s", code, errors.String())
	}
	wantNoVerification(t)
}

// wantNoVerification wants that no namespace of a verification is there to stay.
func wantNoVerification(t *testing.T) {
	t.Helper()
	for _, i := range everyone() {
		if left := verifications(t, i, "Active"); len(left) > 0 {
			t.Errorf("c%d: %q are left", i, left)
		}
	}
}

// verifications are the namespaces of verifications in a phase, or in any.
func verifications(t *testing.T, i int, phase string) []string {
	t.Helper()
	args := []string{"get", "namespaces", "-o", "name"}
	if phase != "" {
		args = append(args, "--field-selector", "status.phase="+phase)
	}
	var found []string
	for name := range strings.FieldsSeq(kubectl(t, i, args...)) {
		if strings.Contains(name, "eastwest-verify-") {
			found = append(found, name)
		}
	}
	return found
}

// testDeadMember verifies a mesh of which one API server does not answer.
func testDeadMember(t *testing.T) {
	firewall(t, 3, "tcp dport 6443")
	defer closeFirewall(t, 3)
	v, r := verify(t, []int{1, 2, 3})
	r.wantExit(t, 3)
	r.wantErr(t, "cluster c3: ClusterUnreachable")
	for _, l := range v.Links {
		want := "ok"
		if l.Consumer == "c3" || l.Producer == "c3" {
			want = "unreachable"
		}
		if l.State != want {
			t.Errorf("%s -> %s is %s, want %s", l.Consumer, l.Producer, l.State, want)
		}
	}
}
