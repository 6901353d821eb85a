//go:build e2e

package agentfaults

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
)

// snapshotFile is the name of the snapshot in its folder.
const snapshotFile = "last.shards"

// TestF25 starts an agent while one of five members is down.
func TestF25(t *testing.T) {
	slow(t)
	others := moreClusters(t, "c3", "c4", "c5")
	all := append([]*cluster{peer}, others...)
	namespace := shop(t, 20, append(all, own)...)
	down, config := faultproxy.New(t, others[2].Config())
	members := []member{{"c2", peer.Config()}, {"c3", others[0].Config()}, {"c4", others[1].Config()}, {"c5", config}}
	a := start(t, options{namespace: namespace, members: members, snapshot: t.TempDir()})
	g := a.connect(t, nil)
	for _, one := range members {
		g.awaitShare(t, namespace, one.name, share{weight: 20})
	}
	a.stop(t)
	down.Freeze()
	a.start(t)
	a.awaitReady(t)
	g = a.connect(t, nil)
	g.awaitShare(t, namespace, "c5", share{weight: 20})
	others[1].endpoints(t, namespace, "cart", 21)
	g.awaitShare(t, namespace, "c4", share{weight: 21})
	a.awaitState(t, "c5", "degraded")
	g.mark(namespace, "c5")
	down.Thaw()
	a.awaitState(t, "c5", "ready")
	g.wantLeast(t, 20)

	// Its neighbour: there is no snapshot either. The others are served without it.
	a.stop(t)
	must(t, os.Remove(filepath.Join(a.snapshot, snapshotFile)))
	down.Freeze()
	a.start(t)
	a.awaitReady(t)
	g = a.connect(t, nil)
	g.awaitShare(t, namespace, "c4", share{weight: 21})
	g.awaitShare(t, namespace, "c5", share{})
	awaitShown(t, "c5", "joining", "never read")
	down.Thaw()
	g.awaitShare(t, namespace, "c5", share{weight: 20})
}

// moreClusters starts members that end with the test.
func moreClusters(t *testing.T, names ...string) []*cluster {
	t.Helper()
	clusters := make([]*cluster, len(names))
	group, ctx := errgroup.WithContext(t.Context())
	for i, name := range names {
		group.Go(func() (err error) {
			clusters[i], err = newCluster(ctx, name)
			return err
		})
	}
	err := group.Wait()
	for _, one := range clusters {
		if one != nil {
			t.Cleanup(one.Close)
		}
	}
	must(t, err)
	return clusters
}

// TestF30 fills the disk of the snapshot, and makes it one that is only read.
func TestF30(t *testing.T) {
	slow(t)
	folder := filepath.Join(t.TempDir(), "small")
	must(t, os.Mkdir(folder, 0o700))
	must(t, unix.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(folder, unix.MNT_DETACH)) })
	namespace := shop(t, 20, peer)
	proxy, config := faultproxy.New(t, peer.Config())
	a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, snapshot: folder})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	a.awaitWritten(t, 1)
	count := 20
	fails := func() {
		t.Helper()
		before, failed := readSnapshot(t, folder), a.metric(t, "eastwest_snapshot_failures_total")
		count++
		peer.endpoints(t, namespace, "cart", count)
		g.awaitShare(t, namespace, "c2", share{weight: count})
		await(t, "the snapshot cannot be written", func(context.Context) error {
			return unless(a.metric(t, "eastwest_snapshot_failures_total") > failed, "it can")
		})
		if after := readSnapshot(t, folder); after != before {
			t.Error("the old snapshot is another one")
		}
		if leftovers, _ := filepath.Glob(filepath.Join(folder, ".*")); len(leftovers) > 0 {
			t.Errorf("left are %q", leftovers)
		}
	}
	filler := filepath.Join(folder, "filler")
	fill(t, filler)
	fails()
	if a.logged("the last one stays") != 1 {
		t.Error("there is no warning")
	}

	// Its neighbour: it is killed while its disk is full, and its member is down then.
	a.kill()
	proxy.Refuse()
	a.start(t)
	a.awaitReady(t)
	again := a.connect(t, nil)
	again.awaitShare(t, namespace, "c2", share{weight: 20})
	proxy.Accept(t)
	again.awaitShare(t, namespace, "c2", share{weight: count})
	g = again

	written := a.metric(t, "eastwest_snapshot_writes_total")
	must(t, os.Remove(filler))
	a.awaitWritten(t, written+1)
	must(t, unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	fails()
	written = a.metric(t, "eastwest_snapshot_writes_total")
	must(t, unix.Mount("", folder, "", unix.MS_REMOUNT, "size=1m"))
	a.awaitWritten(t, written+1)
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
}

func readSnapshot(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, snapshotFile))
	must(t, err)
	return string(text)
}

// awaitWritten waits until snapshots were written so often.
func (a *agent) awaitWritten(t *testing.T, times float64) {
	t.Helper()
	await(t, "a snapshot was written", func(context.Context) error {
		got := a.metric(t, "eastwest_snapshot_writes_total")
		return unless(got >= times, "%v were, want %v", got, times)
	})
}

// TestF31 gives agents snapshots that are no good.
func TestF31(t *testing.T) {
	namespace := shop(t, 20, peer)
	a := start(t, options{namespace: namespace, members: []member{{"c2", peer.Config()}}, snapshot: t.TempDir()})
	a.connect(t, nil).awaitShare(t, namespace, "c2", share{weight: 20})
	a.stop(t)
	path := filepath.Join(a.snapshot, snapshotFile)
	good := readSnapshot(t, a.snapshot)
	peer.endpoints(t, namespace, "cart", 21)
	for _, tc := range []struct {
		name, says string
		harm       func([]byte) []byte
	}{
		{"a bit is flipped", "checksum", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"it is cut", "longer or shorter", func(b []byte) []byte { return b[:len(b)-1] }},
		{"it is of a later version", "version", func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[8:], 1000)
			return b
		}},
		// Its neighbour: a folder is in its place, which cannot be replaced either.
		{"it is a folder", "not a regular file", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			must(t, os.RemoveAll(path))
			if tc.harm == nil {
				must(t, os.Mkdir(path, 0o700))
			} else {
				must(t, os.WriteFile(path, tc.harm([]byte(good)), 0o600))
			}
			one := prepare(t, a.options)
			one.start(t)
			one.awaitReady(t)
			one.connect(t, nil).awaitShare(t, namespace, "c2", share{weight: 21})
			if one.logged("the snapshot is not used") != 1 || one.logged(tc.says) == 0 {
				t.Errorf("the log does not say %q", tc.says)
			}
			one.stop(t)
		})
	}
}
