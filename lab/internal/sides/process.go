package sides

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Run is what a process gets of the host.
type Run struct {
	// Core is the processor that it has for itself; nil: any.
	Core *int
	// Env are further variables.
	Env []string
}

// Process is a server that runs on the host.
type Process struct {
	// Started is when.
	Started time.Time

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
	p.cmd.Env = append(append(env, "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir()), run.Env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	// A test that is killed must leave nothing behind.
	p.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	p.Started = time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
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
