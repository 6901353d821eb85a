package proc

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Owner tells the processes of one cluster from all others on the host.
type Owner struct {
	// Netns is the file of its network namespace; it need not exist.
	Netns string
	// Cgroup is the path all its cgroups begin with, as /proc/PID/cgroup shows it.
	Cgroup string
	// Marker is an entry of the environment of its processes.
	Marker string
}

// Find lists the processes which belong to the owner: those in its network
// namespace, in its cgroups, or with its marker in their environment.
func Find(o Owner) ([]ID, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	netns, hasNetns := inode(o.Netns)
	if own, ok := inode("/proc/self/ns/net"); ok && own == netns {
		return nil, fmt.Errorf("find processes of %s: this very process is in its network namespace; run it from the host's", o.Cgroup)
	}
	var found []ID
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		id, ok := Lookup(pid)
		if !ok {
			continue
		}
		ns, hasNS := inode(fmt.Sprintf("/proc/%d/ns/net", pid))
		if hasNetns && hasNS && ns == netns || inCgroup(pid, o.Cgroup) || hasEnv(pid, o.Marker) {
			found = append(found, id)
		}
	}
	return found, nil
}

// looks is how often in a row nothing must be found to believe that nothing is
// left: for a moment within execve(2) a process has no environment to be known by.
const looks = 2

// Kill kills everything the owner has, again and again until nothing is left:
// a dying supervisor may still start a child. What survives is an error.
func Kill(ctx context.Context, o Owner, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for empty := 0; ; {
		left, err := Find(o)
		if err != nil {
			return err
		}
		if empty++; len(left) > 0 {
			empty = 0
		}
		if empty == looks {
			return nil
		}
		for _, id := range left {
			if err := id.Signal(unix.SIGKILL); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kill processes: still there: %s: %w", describe(left), ctx.Err())
		case <-tick.C:
		}
	}
}

func describe(ids []ID) string {
	var parts []string
	for _, id := range ids {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", id.PID))
		parts = append(parts, fmt.Sprintf("%d (%s)", id.PID, strings.TrimSpace(string(cmdline))))
	}
	return strings.Join(parts, ", ")
}

type fileID struct{ dev, ino uint64 }

func inode(path string) (fileID, bool) {
	var st unix.Stat_t
	if path == "" || unix.Stat(path, &st) != nil {
		return fileID{}, false
	}
	return fileID{dev: st.Dev, ino: st.Ino}, true
}

func inCgroup(pid int, path string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || path == "" {
		return false
	}
	for line := range strings.Lines(string(data)) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		_, cgroup, _ := strings.Cut(rest, ":")
		if cgroup == path || strings.HasPrefix(cgroup, path+"/") {
			return true
		}
	}
	return false
}

func hasEnv(pid int, entry string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || entry == "" {
		return false
	}
	return bytes.Contains(append([]byte{0}, data...), append(append([]byte{0}, entry...), 0))
}
