package sides

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Run is what a process gets of the host.
type Run struct {
	// Core is the processor that it has for itself; nil: any.
	Core *int
}

// Process is a server that runs on the host.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  bytes.Buffer
	once sync.Once
}

// start runs a command until the test ends, and shows the end of its log where the
// test failed.
func start(t testing.TB, run Run, env []string, path string, args ...string) *Process {
	t.Helper()
	if run.Core != nil {
		path, args = "taskset", append([]string{"-c", strconv.Itoa(*run.Core), path}, args...)
		env = append(env, "GOMAXPROCS=1")
	}
	p := &Process{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir())
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	// A test that is killed must leave nothing behind.
	p.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// heap is what is in use of the process's heap after a collection, in bytes. pages is
// where its profiles are served.
func heap(ctx context.Context, pages string) (int64, error) {
	text, err := profile(ctx, pages, "heap?debug=1&gc=1")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "\n# HeapAlloc = ")
	size, _, found := strings.Cut(rest, "\n")
	if !found {
		return 0, fmt.Errorf("read the heap at %s: it does not say", pages)
	}
	return strconv.ParseInt(size, 10, 64)
}

// profile reads one that a process serves.
func profile(ctx context.Context, pages, which string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+pages+"/debug/pprof/"+which, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the profile %s of %s: %s", which, pages, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process. Stopping it again does nothing.
func (p *Process) Stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(unix.SIGTERM)
		err := p.cmd.Wait()
		if p.t.Failed() || err != nil {
			text := p.log.Bytes()
			p.t.Logf("%s ended with %v; its log ends:\n%s", filepath.Base(p.cmd.Path), err, text[max(0, len(text)-6000):])
		}
	})
}
