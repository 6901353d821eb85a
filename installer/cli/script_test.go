package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/golden"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// TestMain lets the scripts start this binary as the command eastwest.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"eastwest": func() {
		signal.Ignore(syscall.SIGPIPE)
		os.Exit(Run(context.Background(), SystemEnv(), os.Args[1:]))
	}})
}

// TestScripts runs testdata/script/*.txtar over the real command tree. The files
// named c.. and k.. are the rows of the bad-input matrix that need no cluster.
// Besides testscript's own commands there are
//
//	exit CODE COMMAND...   run it and require exactly this exit code
//	same FILE FILE         two YAML or JSON documents hold equal values
//	closed COMMAND...      run it with a reader of stdout that is gone; exit 0
//	fifo FILE, size BYTES FILE
//
// Every script finds kube/east.yaml and kube/west.yaml, whose API servers refuse
// connections, and the certificates of pki.go in pki/.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       golden.Updating(t),
		Setup:               setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": exitCommand, "same": sameCommand, "closed": closedCommand, "fifo": fifoCommand, "size": sizeCommand,
		},
	})
}

func setupScript(env *testscript.Env) error {
	env.Setenv("HOME", env.WorkDir)
	// Under the race detector every process would sleep a second before it ends.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	if err := os.CopyFS(filepath.Join(env.WorkDir, "kube"), os.DirFS("testdata/kube")); err != nil {
		return err
	}
	return writePKI(filepath.Join(env.WorkDir, "pki"))
}

// exitCommand runs a command whose exit code must be the first argument.
func exitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	if want == 2 && stdout != "" {
		ts.Fatalf("rejected input is no answer, but stdout has %q", stdout)
	}
	for _, never := range []string{"goroutine ", "panic", "top-secret"} {
		if strings.Contains(stdout+stderr, never) {
			ts.Fatalf("the output shows %q", never)
		}
	}
	if code != 0 && strings.Count(stderr, "error: ") == 0 {
		ts.Fatalf("exit code %d without an error on stderr", code)
	}
}

// sameCommand compares two documents by value: what istioctl or kubectl would read.
func sameCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same FILE FILE")
	}
	var values [2]any
	for i, name := range args {
		ts.Check(yaml.Unmarshal([]byte(ts.ReadFile(name)), &values[i]))
	}
	if diff := cmp.Diff(values[1], values[0]); diff != "" {
		ts.Fatalf("%s and %s differ (-%s +%s):\n%s", args[0], args[1], args[1], args[0], diff)
	}
}

// closedCommand runs a command that writes to a pipe nobody reads.
func closedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: closed COMMAND...")
	}
	reading, writing, err := os.Pipe()
	ts.Check(err)
	ts.Check(reading.Close())
	defer writing.Close()
	var stderr strings.Builder
	command := exec.Command(args[0], args[1:]...)
	command.Dir, command.Stdout, command.Stderr = ts.MkAbs("."), writing, &stderr
	command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	err = command.Run()
	if err != nil || stderr.Len() > 0 {
		ts.Fatalf("%v, stderr %q; want exit 0 and silence", err, stderr.String())
	}
}

func fifoCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}

func sizeCommand(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(errors.Join(file.Truncate(size), file.Close()))
}

// tests stops the API server that some tests share when they are done.
type tests struct{ *testing.M }

func (t tests) Run() int { return testapi.Main(t.M) }
