package rig

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
)

// patience bounds one command; what a test promises is asserted apart from it.
const patience = 5 * time.Minute

// Result is what one run of eastwest came to.
type Result struct {
	Stdout, Stderr string
	// Exit is its code.
	Exit int
	Took time.Duration
	args []string
}

// Command prepares a run of the binary, off a terminal and with nothing of the
// caller's environment that could change it.
func (r *Rig) Command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, r.binary, args...)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir()}
	return cmd
}

// Run runs the binary and wants an exit code.
func (r *Rig) Run(t *testing.T, want int, args ...string) Result {
	t.Helper()
	ctx, cancel := Bounded(t, patience)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := r.Command(ctx, t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	err := cmd.Run()
	result := Result{out.String(), errOut.String(), cmd.ProcessState.ExitCode(), time.Since(start), args}
	if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
		t.Fatalf("run eastwest %s: %v", strings.Join(args, " "), err)
	}
	if result.Exit != want {
		t.Fatalf("exit code %d, want %d\n%s", result.Exit, want, result)
	}
	return result
}

// Decode reads stdout as JSON.
func (r Result) Decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Stdout), into); err != nil {
		t.Fatalf("stdout is no JSON: %v\n%s", err, r)
	}
}

func (r Result) String() string {
	return fmt.Sprintf("eastwest %s\nexit %d after %s\n--- stdout\n%s--- stderr\n%s", strings.Join(r.args, " "), r.Exit,
		r.Took.Round(time.Millisecond), tail(r.Stdout), tail(r.Stderr))
}

// tail keeps the end of a long output.
func tail(text string) string {
	const most = 6000
	if len(text) > most {
		return "...\n" + text[len(text)-most:]
	}
	return text
}

// Members are the arguments that name all clusters.
func (r *Rig) Members() []string {
	var args []string
	for _, c := range r.Lab.Clusters {
		args = append(args, "--kubeconfig", c.Name+"="+c.Kubeconfig)
	}
	return args
}

// Dir is a directory of the lab's, removed with it.
func (r *Rig) Dir(name string) string {
	return filepath.Join(filepath.Dir(filepath.Dir(r.Lab.Clusters[0].Kubeconfig)), name)
}

// Images are the arguments by which test workloads use images of the lab.
func Images() []string {
	return []string{"--image-sleep", "lab.local/sleep:lab", "--image-helloworld", "lab.local/helloworld-v1:lab"}
}

// Up are the arguments of up that make one mesh of clusters without one, named by
// more, which is what Members returns unless more must be said of them.
func (r *Rig) Up(more ...string) []string {
	return slices.Concat([]string{
		"up", "--init-trust", "--replace-ca", "--trust-dir", r.Dir("trust"), "--source-ranges", r.Lab.BridgeCIDR,
		"--image-agent", "lab.local/eastwest-agent:lab", "--image-gateway", "lab.local/eastwest-gateway:lab",
	}, Images(), more)
}

// Down takes the mesh down to the last object.
func (r *Rig) Down(t *testing.T) {
	t.Helper()
	r.Run(t, 0, slices.Concat([]string{"down", "--purge-trust", "--yes"}, r.Members())...)
	if err := os.RemoveAll(r.Dir("trust")); err != nil {
		t.Fatal(err)
	}
}

// Output runs a command and returns its stdout; an error holds its stderr.
func Output(cmd *exec.Cmd, stdin string) (string, error) {
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, tail(strings.TrimSpace(errOut.String())))
	}
	return out.String(), nil
}

// Try runs kubectl against cluster i.
func (r *Rig) Try(ctx context.Context, i int, args ...string) (string, error) {
	return r.kubectl(ctx, i, "", args...)
}

// Kubectl is Try for those who need it to work.
func (r *Rig) Kubectl(t *testing.T, i int, args ...string) string {
	t.Helper()
	ctx, cancel := Bounded(t, patience)
	defer cancel()
	out, err := r.Try(ctx, i, args...)
	if err != nil {
		t.Fatalf("cluster %d: %v", i, err)
	}
	return out
}

// Apply makes objects in cluster i.
func (r *Rig) Apply(t *testing.T, i int, objects string) {
	t.Helper()
	ctx, cancel := Bounded(t, patience)
	defer cancel()
	if _, err := r.kubectl(ctx, i, objects, "apply", "--server-side", "-f", "-"); err != nil {
		t.Fatalf("cluster %d: %v", i, err)
	}
}

func (r *Rig) kubectl(ctx context.Context, i int, stdin string, args ...string) (string, error) {
	return Output(exec.CommandContext(ctx, r.Lab.Tools().Kubectl, append([]string{"--kubeconfig", r.Cluster(i).Kubeconfig}, args...)...), stdin)
}

// Bounded is a context that outlives the test's, for defers need one too.
func Bounded(t *testing.T, bound time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), bound)
}

// Await asks until there is no error, and fails with the last one seen. It returns
// how long that took.
func Await(t *testing.T, what string, bound time.Duration, ask func(ctx context.Context) error) time.Duration {
	t.Helper()
	start := time.Now()
	if err := WaitFor(t, bound, ask); err != nil {
		t.Fatalf("%s: not within %s: %v", what, bound, err)
	}
	return time.Since(start)
}

// WaitFor is Await for those who go on in any case.
func WaitFor(t *testing.T, bound time.Duration, ask func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := Bounded(t, bound)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
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
