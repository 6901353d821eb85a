package proc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Spec is a process to start.
type Spec struct {
	// Path and Args are the command; Args does not repeat Path.
	Path string
	Args []string
	// Env is the whole environment.
	Env []string
	// Netns is the file of the network namespace to run in.
	Netns string
	// Cgroups are the directories of the cgroups to join.
	Cgroups []string
	// PIDFile records the process; LogFile gets its output.
	PIDFile, LogFile string
}

// launcher records its own pid and start time and joins the cgroups before it
// becomes the command: whoever is killed, and whenever, no process of the lab
// runs unrecorded. nsenter, not "ip netns exec": that one remounts /sys, and
// the kubelet then finds no cgroups.
const launcher = `set -eu
pidfile=$1 netns=$2 cgroups=$3
shift 3
start_time() { shift 19; echo "$1"; }
read -r stat </proc/self/stat
start=$(start_time ${stat##*) })
for dir in $cgroups; do echo $$ >"$dir/cgroup.procs"; done
echo "$$ $start" >"$pidfile.tmp"
mv "$pidfile.tmp" "$pidfile"
exec nsenter --net="$netns" -- "$@"`

// Start starts the process in a session of its own and returns once it is
// recorded. The process belongs to init, not to the caller: it needs no reaper.
func Start(ctx context.Context, s Spec) (ID, error) {
	for _, file := range []string{s.PIDFile, s.LogFile} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return ID{}, fmt.Errorf("start %s: %w", filepath.Base(s.Path), err)
		}
	}
	log, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return ID{}, fmt.Errorf("start %s: %w", filepath.Base(s.Path), err)
	}
	defer log.Close()
	if err := os.Remove(s.PIDFile); err != nil && !os.IsNotExist(err) {
		return ID{}, fmt.Errorf("start %s: %w", filepath.Base(s.Path), err)
	}
	args := []string{"--fork", "sh", "-c", launcher, "lab", s.PIDFile, s.Netns, strings.Join(s.Cgroups, " "), s.Path}
	cmd := exec.CommandContext(ctx, "setsid", append(args, s.Args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = s.Env, log, log, "/"
	if err := cmd.Run(); err != nil {
		return ID{}, fmt.Errorf("start %s: %w", filepath.Base(s.Path), err)
	}
	return awaitPIDFile(ctx, s)
}

func awaitPIDFile(ctx context.Context, s Spec) (ID, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if id, ok := ReadFile(s.PIDFile); ok {
			return id, nil
		}
		select {
		case <-ctx.Done():
			return ID{}, fmt.Errorf("start %s: it did not record its pid; see %s: %w", filepath.Base(s.Path), s.LogFile, ctx.Err())
		case <-tick.C:
		}
	}
}
