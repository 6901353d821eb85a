//go:build e2e

package agentfaults

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestF11 kills the store of a member and leaves its API server alive.
func TestF11(t *testing.T) {
	slow(t)
	namespace := shop(t, 20, peer)
	a := start(t, options{namespace: namespace, members: []member{{"c2", peer.Config()}}})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	awaitShown(t, "c2", "ready", "watched")
	since := g.mark(namespace, "c2")
	peer.KillStore()
	took := a.awaitState(t, "c2", "degraded")
	t.Logf("degraded after %s", took)
	awaitShown(t, "c2", "degraded", "stays in use")

	// Its neighbour: the own cluster's store dies as well, and with it the Lease.
	own.KillStore()
	a.awaitState(t, "c1", "degraded")
	await(t, "this replica does not write", func(context.Context) error {
		return unless(a.metric(t, "eastwest_leader") == 0, "it does")
	})
	g.wantToldNothing(t, since)
	peer.StartStore(t)
	a.awaitState(t, "c2", "ready")
	own.StartStore(t)
	a.awaitState(t, "c1", "ready")
	awaitShown(t, "c2", "ready", "watched")
	g.wantToldNothing(t, since)
	peer.endpoints(t, namespace, "cart", 21)
	g.awaitShare(t, namespace, "c2", share{weight: 21})
}

// TestF13 restores an older state of a member's store.
func TestF13(t *testing.T) {
	slow(t)
	for _, tc := range []struct {
		name        string
		then, later int
		restarted   bool
	}{
		{"most endpoints are of later", 20, 100, false},
		// Its neighbour: few are, and the agent was down; its snapshot is of later.
		{"few are and the agent was down", 20, 25, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			namespace := shop(t, tc.then, peer)
			a := start(t, options{namespace: namespace, members: []member{{"c2", peer.Config()}}, snapshot: t.TempDir()})
			backup := peer.Backup(t)
			peer.endpoints(t, namespace, "cart", tc.later)
			peer.advance(t, namespace)
			g := a.connect(t, nil)
			g.awaitShare(t, namespace, "c2", share{weight: tc.later})
			a.awaitState(t, "c2", "ready")
			if tc.restarted {
				a.stop(t)
			}
			peer.Restore(t, backup)
			if tc.restarted {
				a.start(t)
				a.awaitReady(t)
				g = a.connect(t, g)
			} else {
				a.awaitStanding(t, "c2", "holds the list", func(s standing) bool { return s.has("ListHeld", "") })
			}
			g.awaitShare(t, namespace, "c2", share{weight: tc.then})
			a.awaitState(t, "c2", "ready")
			// Revisions that were there already are no reason to miss what is new.
			peer.endpoints(t, namespace, "cart", tc.then+1)
			g.awaitShare(t, namespace, "c2", share{weight: tc.then + 1})
		})
	}
}

// advance has the store count on, further than a start of the API server does.
func (c *cluster) advance(t *testing.T, namespace string) {
	t.Helper()
	for i := range 300 {
		one := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("revision-%d", i)}}
		_, err := c.kube.CoreV1().ConfigMaps(namespace).Create(t.Context(), one, metav1.CreateOptions{})
		must(t, err)
	}
}

// TestF14 makes a member anew at the same address.
func TestF14(t *testing.T) {
	slow(t)
	for _, tc := range []struct {
		name      string
		restarted bool
	}{
		{"while it is watched", false},
		// Its neighbour: the agent was down, and knows it by its snapshot alone.
		{"while the agent was down", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			namespace := shop(t, 20, peer)
			a := start(t, options{
				namespace: namespace, members: []member{{"c2", peer.Config()}}, snapshot: t.TempDir(), settings: "staleAfter: 40s\n",
			})
			g := a.connect(t, nil)
			g.awaitShare(t, namespace, "c2", share{weight: 20})
			a.awaitState(t, "c2", "ready")
			if tc.restarted {
				a.stop(t)
			}
			peer.Wipe(t)
			must(t, peer.prepare(t.Context()))
			shop(t, 33, peer)
			if tc.restarted {
				a.start(t)
				a.awaitReady(t)
				g = a.connect(t, g)
			}
			a.awaitFault(t, "c2", "quarantined", "IdentityChanged", "another cluster")
			g.awaitShare(t, namespace, "c2", share{weight: 20})
			since := g.mark(namespace, "c2")
			peer.makeService(t, namespace, "pay")
			peer.endpoints(t, namespace, "cart", 34)
			a.awaitStanding(t, "c2", "was asked again", func(s standing) bool { return s.State == "quarantined" && s.Endpoints == 20 })
			g.wantToldNothing(t, since)
			// Stale by now: nothing of the old cluster is left, nothing of the new one comes.
			g.awaitShare(t, namespace, "c2", share{})
			if s := a.now(t, "c2"); s.State != "quarantined" || s.Services != 0 {
				t.Errorf("got %+v", s)
			}
			a.leave(t, "c2")
			a.record(t, member{"c2", peer.Config()})
			a.awaitState(t, "c2", "ready")
			g.awaitShare(t, namespace, "c2", share{weight: 34})
		})
	}
}
