package proc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReadFile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		content string
		ok      bool
	}{
		"whole":          {"42 4711\n", true},
		"empty":          {"", false},
		"torn":           {"42", false},
		"not a number":   {"42 x", false},
		"init":           {"1 5", false},
		"negative":       {"-1 5", false},
		"more than that": {"42 5 6", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "pid")
			if err := os.WriteFile(path, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if id, ok := ReadFile(path); ok != tt.ok {
				t.Errorf("ReadFile(%q) = %v, %t, want %t", tt.content, id, ok, tt.ok)
			}
		})
	}
	if _, ok := ReadFile(filepath.Join(t.TempDir(), "none")); ok {
		t.Error("a missing file is a process")
	}
}

func TestSignalSparesAnotherProcessOfThatPID(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, ok := Lookup(cmd.Process.Pid)
	if !ok || !id.Alive() {
		t.Fatalf("Lookup(%d) = %v, %t", cmd.Process.Pid, id, ok)
	}
	reused := ID{PID: id.PID, Start: id.Start - 1}
	if err := reused.Signal(unix.SIGKILL); err != nil {
		t.Errorf("signal to a process that is gone: %v", err)
	}
	if !id.Alive() {
		t.Fatal("the wrong process was killed")
	}
	if err := id.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process ended by itself")
	}
	if id.Alive() {
		t.Error("a process that was waited for is alive")
	}
}

// sleeper is a process that only its environment tells from others.
func sleeper(t *testing.T) (cmd *exec.Cmd, o Owner) {
	t.Helper()
	o = Owner{Marker: fmt.Sprintf("EASTWEST_LAB=%s-%d", t.Name(), os.Getpid()), Cgroup: "/no-such-cgroup"}
	cmd = exec.Command("sleep", "60")
	cmd.Env = []string{"A=b", o.Marker}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, o
}

func TestFindByEnvironment(t *testing.T) {
	t.Parallel()
	cmd, o := sleeper(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	// Start returns a moment before the kernel has set the environment.
	for ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second); ; <-tick.C {
		found, err := Find(o)
		if err == nil && len(found) == 1 && found[0].PID == cmd.Process.Pid {
			cancel()
			return
		}
		if err != nil || len(found) > 0 || ctx.Err() != nil {
			cancel()
			t.Fatalf("Find = %v, %v, want process %d", found, err, cmd.Process.Pid)
		}
	}
}

func TestKillByEnvironment(t *testing.T) {
	t.Parallel()
	cmd, o := sleeper(t)
	// The dead process counts as gone although nobody has waited for it.
	if err := Kill(t.Context(), o, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if id, ok := Lookup(cmd.Process.Pid); ok {
		t.Errorf("%v is alive", id)
	}
}
