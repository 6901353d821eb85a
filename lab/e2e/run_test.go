//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds one command; what a test promises is asserted apart from it.
const patience = 5 * time.Minute

// result is what one run of eastwest came to.
type result struct {
	args           []string
	stdout, stderr string
	exit           int
	took           time.Duration
}

// command prepares a run of the binary, off a terminal and with nothing of the
// caller's environment that could change it.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, suite.binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir()}
	return cmd
}

// eastwest runs the binary and returns what it did, whatever that is.
func eastwest(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := command(ctx, t.TempDir(), args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	err := cmd.Run()
	r := result{args: args, stdout: out.String(), stderr: errOut.String(), exit: cmd.ProcessState.ExitCode(), took: time.Since(start)}
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatalf("run eastwest %s: %v", strings.Join(args, " "), err)
	}
	return r
}

// must runs the binary and wants exit code 0.
func must(t *testing.T, args ...string) result {
	t.Helper()
	r := eastwest(t, args...)
	r.wantExit(t, 0)
	return r
}

func (r result) String() string {
	return fmt.Sprintf("eastwest %s\nexit %d after %s\n--- stdout\n%s--- stderr\n%s", strings.Join(r.args, " "), r.exit,
		r.took.Round(time.Millisecond), tail(r.stdout), tail(r.stderr))
}

// tail keeps the end of a long output.
func tail(text string) string {
	const most = 6000
	if len(text) > most {
		return "...\n" + text[len(text)-most:]
	}
	return text
}

// wantExit stops the test where the exit code is another.
func (r result) wantExit(t *testing.T, want int) {
	t.Helper()
	if r.exit != want {
		t.Fatalf("exit code %d, want %d\n%s", r.exit, want, r)
	}
}

// wantErr wants all texts on stderr.
func (r result) wantErr(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			t.Errorf("stderr does not say %q\n%s", text, r)
		}
	}
}

// decode reads stdout as JSON.
func (r result) decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
		t.Fatalf("stdout is no JSON: %v\n%s", err, r)
	}
}

// members are the arguments that name clusters of the lab as cN.
func members(indices ...int) []string {
	var args []string
	for _, i := range indices {
		c := suite.lab.Clusters[i-1]
		args = append(args, "--kubeconfig", c.Name+"="+c.Kubeconfig)
	}
	return args
}

// dir is a directory of the lab's, removed with it.
func dir(name string) string {
	return filepath.Join(filepath.Dir(filepath.Dir(suite.lab.Clusters[0].Kubeconfig)), name)
}

// images are the arguments by which the test workloads use images of the lab.
func images() []string {
	return []string{"--image-sleep", "lab.local/sleep:lab", "--image-helloworld", "lab.local/helloworld-v1:lab"}
}

// join makes one list of arguments.
func join(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
