//go:build e2e

package agentfaults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// memoryGroups is where cgroups of memory are, by version 1.
const memoryGroups = "/sys/fs/cgroup/memory"

// memoryGroup makes a cgroup with a limit, and returns the command that runs others
// in it.
func memoryGroup(t *testing.T, bytes int) (folder string, run []string) {
	t.Helper()
	folder = filepath.Join(memoryGroups, fmt.Sprintf("eastwest-agentfaults-%d", os.Getpid()))
	if _, err := os.Stat(filepath.Join(memoryGroups, "memory.limit_in_bytes")); err != nil {
		t.Skip("there are no memory cgroups of version 1 here")
	}
	must(t, os.Mkdir(folder, 0o755))
	t.Cleanup(func() {
		await(t, "the cgroup is empty", func(context.Context) error { return os.Remove(folder) })
	})
	must(t, setLimit(folder, bytes))
	return folder, []string{"/bin/sh", "-c", "echo $$ >" + filepath.Join(folder, "cgroup.procs") + ` && exec "$0" "$@"`}
}

func setLimit(folder string, bytes int) error {
	return os.WriteFile(filepath.Join(folder, "memory.limit_in_bytes"), []byte(strconv.Itoa(bytes)), 0o600)
}

// TestF29 has an agent meet its memory limit.
func TestF29(t *testing.T) {
	slow(t)
	const most = 128 << 20
	folder, run := memoryGroup(t, most)
	others := moreClusters(t, "c3", "c4")
	calm, flooded := others[0], others[1]
	namespace := shop(t, 20, others...)
	a := start(t, options{
		namespace: namespace, members: []member{{"c3", calm.Config()}, {"c4", flooded.Config()}}, before: run,
		env: []string{fmt.Sprintf("GOMEMLIMIT=%d", most*9/10)}, settings: "limits: {endpoints: 10000}\n", snapshot: t.TempDir(),
	})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c4", share{weight: 20})
	g.awaitShare(t, namespace, "c3", share{weight: 20})
	g.mark(namespace, "c3")
	// A member that is over its limit is cut first, and in the order of names.
	for i := range 40 {
		name := fmt.Sprintf("flood-%02d", i)
		flooded.makeService(t, namespace, name)
		flooded.endpoints(t, namespace, name, 3*perSlice)
	}
	awaitShown(t, "c4", "ready", "TooMany")
	t.Logf("of 120,000 endpoints %d are offered; %d of %d MiB are in use", a.now(t, "c4").Endpoints, used(t, folder)>>20, most>>20)
	calm.endpoints(t, namespace, "cart", 21)
	g.awaitShare(t, namespace, "c3", share{weight: 21})
	g.awaitShare(t, namespace, "c4", share{weight: 20})
	g.wantLeast(t, 20)

	told := time.Now()
	await(t, "the snapshot has all of it", func(context.Context) error {
		info, err := os.Stat(filepath.Join(a.snapshot, snapshotFile))
		// It is written within 10 s where it would differ.
		return errors.Join(err, unless(time.Since(told) > 15*time.Second || info.ModTime().After(told), "it is older"))
	})

	// Its neighbour: it is killed for it all the same, while a member is down.
	await(t, "it is killed for its memory", func(ctx context.Context) error {
		now := used(t, folder)
		err := setLimit(folder, now) // not a page is left
		_, _ = fetch(ctx, "http://"+a.admin+"/config")
		return unless(a.ended(), "it is not, with %d bytes: %v", now, err)
	})
	calm.Kill()
	must(t, setLimit(folder, most))
	a.start(t)
	a.awaitReady(t)
	g = a.connect(t, g)
	g.settle(t)
	g.awaitShare(t, namespace, "c3", share{weight: 21})
	if g.removed() > 0 {
		t.Errorf("%d names were removed", g.removed())
	}
}

// used is how many bytes the cgroup takes now.
func used(t *testing.T, folder string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "memory.usage_in_bytes"))
	must(t, err)
	bytes, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	return bytes
}

// TestNoFilesLeft leaves a running agent no file descriptor.
func TestNoFilesLeft(t *testing.T) {
	namespace := shop(t, 20, peer)
	names := freePorts(t, 1)[0]
	a := start(t, options{
		namespace: namespace, members: []member{{"c2", peer.Config()}}, snapshot: t.TempDir(),
		settings: fmt.Sprintf("dns: {listen: %q}\n", names),
	})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	a.awaitState(t, "c2", "ready")
	var before unix.Rlimit
	must(t, unix.Prlimit(a.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before))
	few := unix.Rlimit{Cur: uint64(a.files(t)), Max: before.Max}
	must(t, unix.Prlimit(a.cmd.Process.Pid, unix.RLIMIT_NOFILE, &few, nil))
	// All its doors are knocked at, and it can open none.
	var held []net.Conn
	for range 5 {
		for _, address := range []string{a.xds, a.admin, a.health, names} {
			conn, err := net.Dial("tcp", address)
			must(t, err)
			held = append(held, conn)
		}
	}
	for i := 21; i < 25; i++ {
		peer.endpoints(t, namespace, "cart", i)
		g.awaitShare(t, namespace, "c2", share{weight: i})
	}
	if a.ended() {
		t.Fatal("the agent ended")
	}
	// Its neighbour: a member's connection breaks at the same time, and cannot be made
	// anew; what it offered stays.
	since := g.mark(namespace, "c2")
	peer.Kill()
	g.wantToldNothing(t, since)
	peer.Start(t)
	peer.endpoints(t, namespace, "cart", 25)
	must(t, unix.Prlimit(a.cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil))
	var failures []error
	for _, conn := range held {
		failures = append(failures, conn.Close())
	}
	must(t, errors.Join(failures...))
	g.awaitShare(t, namespace, "c2", share{weight: 25})
	a.awaitState(t, "c2", "ready")
	a.connect(t, nil).awaitShare(t, namespace, "c2", share{weight: 25})
	g.wantLeast(t, 24)
}
