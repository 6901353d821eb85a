//go:build e2e

package agentfaults

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
)

// TestF33 tells an agent to stop. Its neighbours: a member is frozen then, and the own
// cluster as well. What a kubelet waits is 30 s; here it is a bound for busy machines.
func TestF33(t *testing.T) {
	for _, tc := range []struct {
		name         string
		member, home bool
	}{
		{"all is well", false, false},
		{"a member is frozen", true, false},
		{"the own cluster is frozen as well", true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.home {
				slow(t)
			}
			namespace := shop(t, 20, peer)
			member2, config := faultproxy.New(t, peer.Config())
			home, throughHome := faultproxy.New(t, own.Config())
			a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, own: throughHome, snapshot: t.TempDir()})
			g := a.connect(t, nil)
			g.awaitShare(t, namespace, "c2", share{weight: 20})
			await(t, "it writes", func(context.Context) error { return unless(a.logged("this replica writes") == 1, "it does not") })
			if tc.member {
				member2.Freeze()
			}
			if tc.home {
				home.Freeze()
			}
			began := time.Now()
			a.signal(t, unix.SIGTERM)
			await(t, "the agent has ended", func(context.Context) error { return unless(a.ended(), "it has not") })
			t.Logf("ended after %s", time.Since(began).Round(time.Millisecond))
			if code := a.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			readSnapshot(t, a.snapshot)
			lease, err := own.kube.CoordinationV1().Leases(agentNamespace).Get(t.Context(), "eastwest-agent", metav1.GetOptions{})
			must(t, err)
			if holder := lease.Spec.HolderIdentity; !tc.home && holder != nil && *holder != "" {
				t.Errorf("the Lease is still held by %q", *holder)
			}
		})
	}
}

// TestF56 kills the only agent. Its neighbour: something changes while there is none,
// and the gateway is told that alone, whether there is a snapshot or not.
func TestF56(t *testing.T) {
	for _, tc := range []struct{ name, snapshot string }{
		{"with a snapshot", t.TempDir()},
		{"without", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			namespace := shop(t, 20, peer)
			proxy, config := faultproxy.New(t, peer.Config())
			a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, snapshot: tc.snapshot})
			g := a.connect(t, nil)
			g.awaitShare(t, namespace, "c2", share{weight: 20})
			g.settle(t)
			again := func() *gateway {
				t.Helper()
				a.kill()
				a.start(t)
				a.awaitReady(t)
				return a.connect(t, g)
			}
			if tc.snapshot != "" {
				a.awaitWritten(t, 1)
			}
			g = again()
			g.wantToldNothing(t, told{})
			a.kill()
			peer.endpoints(t, namespace, "cart", 21)
			g = again()
			g.awaitShare(t, namespace, "c2", share{weight: 21})
			g.settle(t)
			if g.told.resources != 1 || g.told.removed != 0 {
				t.Errorf("the gateway was told %+v, want one change", g.told)
			}
			// What was told last is in no snapshot yet, and the member is slow to say it again.
			peer.makeService(t, namespace, "pay")
			peer.endpoints(t, namespace, "pay", 5)
			g.awaitService(t, namespace, "pay")
			proxy.Delay(500 * time.Millisecond)
			g = again()
			g.wantToldNothing(t, told{})
		})
	}
}
