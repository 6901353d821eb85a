//go:build e2e

package plain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/objects"
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
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, suite.binary, args...)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir()}
	return cmd
}

// eastwest runs the binary and wants an exit code.
func eastwest(t *testing.T, want int, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := command(ctx, t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatalf("run eastwest %s: %v", strings.Join(args, " "), err)
	}
	r := result{args: args, stdout: out.String(), stderr: errOut.String(), exit: cmd.ProcessState.ExitCode(), took: time.Since(start)}
	if r.exit != want {
		t.Fatalf("exit code %d, want %d\n%s", r.exit, want, r)
	}
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

// decode reads stdout as JSON.
func (r result) decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
		t.Fatalf("stdout is no JSON: %v\n%s", err, r)
	}
}

// members are the arguments that name both clusters.
func members() []string {
	var args []string
	for _, c := range suite.lab.Clusters {
		args = append(args, "--kubeconfig", c.Name+"="+c.Kubeconfig)
	}
	return args
}

// trustDir is a directory of the lab's, removed with it.
func trustDir() string {
	return filepath.Join(filepath.Dir(filepath.Dir(suite.lab.Clusters[0].Kubeconfig)), "plain-trust")
}

// images are the arguments by which test workloads use images of the lab.
func images() []string {
	return []string{"--image-sleep", "lab.local/sleep:lab", "--image-helloworld", "lab.local/helloworld-v1:lab"}
}

// up are the arguments of up.
func up(more ...string) []string {
	return slices.Concat([]string{
		"up", "--init-trust", "--replace-ca", "--trust-dir", trustDir(), "--source-ranges", suite.lab.BridgeCIDR,
		"--image-agent", "lab.local/eastwest-agent:lab", "--image-gateway", "lab.local/eastwest-gateway:lab",
	}, members(), images(), more)
}

func verifyArgs(more ...string) []string {
	return slices.Concat([]string{"verify"}, members(), images(), more)
}

// cluster is a cluster of the lab, counted from 1.
func cluster(i int) *lab.Cluster { return suite.lab.Clusters[i-1] }

// output runs a command and returns its stdout; an error holds its stderr.
func output(cmd *exec.Cmd, stdin string) (string, error) {
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}

// try runs kubectl against cluster i.
func try(ctx context.Context, i int, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, suite.lab.Tools().Kubectl, append([]string{"--kubeconfig", cluster(i).Kubeconfig}, args...)...), "")
}

// kubectl is try for those who need it to work.
func kubectl(t *testing.T, i int, args ...string) string {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	out, err := try(ctx, i, args...)
	if err != nil {
		t.Fatalf("cluster %d: %v", i, err)
	}
	return out
}

// bounded is a context that outlives the test's, for defers need one too.
func bounded(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
}

// waitFor asks until there is no error, and returns the last one seen.
func waitFor(t *testing.T, bound time.Duration, ask func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), bound)
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// snap reads all objects of cluster i.
func snap(ctx context.Context, i int) (objects.Snapshot, error) {
	kinds, err := try(ctx, i, "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		return nil, err
	}
	text, err := try(ctx, i, "get", strings.Join(strings.Fields(kinds), ","), "-A", "-o", "json")
	if err != nil {
		return nil, err
	}
	return objects.Parse([]byte(text))
}

func snapAll(t *testing.T) []objects.Snapshot {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	all := make([]objects.Snapshot, len(suite.lab.Clusters))
	for i := range all {
		var err error
		if all[i], err = snap(ctx, i+1); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// wantSame waits until the clusters hold the same objects as before: what follows
// from a removal, such as a namespace's end, takes a moment.
func wantSame(t *testing.T, before []objects.Snapshot) {
	t.Helper()
	for i := range before {
		err := waitFor(t, 30*time.Second, func(ctx context.Context) error {
			after, err := snap(ctx, i+1)
			if err != nil {
				return err
			}
			return objects.Differences(before[i], after)
		})
		if err != nil {
			t.Errorf("objects of c%d: %v", i+1, err)
		}
	}
}
