package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// run runs the command line in this process.
func run(ctx context.Context, t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" }, Home: t.TempDir(),
	}
	code = Run(ctx, env, args)
	return code, out.String(), errs.String()
}

// TestArgumentsThatNoScriptCanHold is C14: bytes that are not UTF-8, and more
// than any path can have. They are not echoed as they are.
func TestArgumentsThatNoScriptCanHold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"not UTF-8 as kubeconfig":  {[]string{"status", "--kubeconfig", "a\xff.yaml"}, "error: argument \"a\\xff.yaml\" is not valid UTF-8\n"},
		"not UTF-8 as flag":        {[]string{"status", "--\xc3\x28"}, "error: argument \"--\\xc3(\" is not valid UTF-8\n"},
		"not UTF-8 as cluster":     {[]string{"leave", "\xfe"}, "error: argument \"\\xfe\" is not valid UTF-8\n"},
		"a mebibyte":               {[]string{"status", "--kubeconfig", strings.Repeat("a", 1<<20)}, "error: argument of 1048576 bytes is longer than 4096 bytes\n"},
		"a mebibyte as argument":   {[]string{"create-mesh", strings.Repeat("a", 1<<20)}, "error: argument of 1048576 bytes is longer than 4096 bytes\n"},
		"an escape for a terminal": {[]string{"create-mesh", "\x1b[2J"}, "error: argument \"\\x1b[2J\" holds a control character\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := run(t.Context(), t, tc.args...)
			if code != problem.ExitInput || stdout != "" || stderr != tc.want {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2, nothing, %q", code, stdout, stderr, tc.want)
			}
		})
	}
}

// TestStoppedCommandsExitWithSix holds a deadline and a signal apart from a
// cluster that does not answer.
func TestStoppedCommandsExitWithSix(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(writePKI(filepath.Join(dir, "pki")), os.CopyFS(filepath.Join(dir, "kube"), os.DirFS("testdata/kube"))); err != nil {
		t.Fatal(err)
	}
	status := []string{"status", "-q", "--kubeconfig", "east=" + filepath.Join(dir, "kube", "east.yaml")}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx  context.Context
		args []string
		want int
		says string
	}{
		"the API server refuses":      {t.Context(), status, problem.ExitCluster, "ClusterUnreachable"},
		"the deadline has passed":     {t.Context(), append([]string{"--timeout", "1ns"}, status...), problem.ExitDeadline, "error: stopped: --timeout 1ns has passed\n"},
		"the user has interrupted":    {cancelled, status, problem.ExitDeadline, "error: stopped: context canceled\n"},
		"bad input is not a deadline": {cancelled, []string{"status", "--timeout", "0"}, problem.ExitInput, "InvalidTimeout"},
		"a deadline after it is done": {t.Context(), []string{"doctor", "--list", "--timeout", time.Nanosecond.String()}, problem.ExitOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := run(tc.ctx, t, tc.args...)
			if code != tc.want || !strings.Contains(stderr, tc.says) {
				t.Errorf("exit %d, want %d; stderr %q, want %q in it", code, tc.want, stderr, tc.says)
			}
		})
	}
}
