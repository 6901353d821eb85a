//go:build e2e

package plainfaults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// writesBound bounds how long the agents' writes may take to go on: on an idle host
// no longer than a lease of 15 s, that of whoever was killed, and two seconds.
const writesBound = time.Minute

// agents are the two agents of c1, the one that writes first.
func agents(t *testing.T) []rig.Pod {
	t.Helper()
	pods := suite.AwaitPods(t, 1, agentApp, 2)
	leader := ""
	rig.Await(t, "an agent of c1 writes", time.Minute, func(ctx context.Context) error {
		var err error
		leader, err = suite.Try(ctx, 1, "-n", rig.Namespace, "get", "lease", "eastwest-agent", "-o", "jsonpath={.spec.holderIdentity}")
		if err == nil && !slices.ContainsFunc(pods, func(p rig.Pod) bool { return p.Name == leader }) {
			err = fmt.Errorf("the lease is held by %q", leader)
		}
		return err
	})
	slices.SortFunc(pods, func(a, b rig.Pod) int {
		if a.Name == leader {
			return -1
		}
		return 1
	})
	return pods
}

// removed is an object that the agents keep, and that only one which begins to
// write sees is missing: those that wrote before look again after a minute.
const removed = "c3"

// remove takes the object away, just before a fault.
func remove(t *testing.T) {
	t.Helper()
	suite.Kubectl(t, 1, "delete", "membercluster", removed)
}

// awaitWrites waits until the object is there again.
func awaitWrites(t *testing.T, fault time.Time) {
	t.Helper()
	rig.Await(t, "MemberCluster "+removed+" is written again", writesBound-time.Since(fault), func(ctx context.Context) error {
		out, err := suite.Try(ctx, 1, "get", "membercluster", removed, "-o", "jsonpath={.status.state}")
		if err == nil && out == "" {
			err = errors.New("it has no state yet")
		}
		return err
	})
	t.Logf("an agent writes %s after the fault", time.Since(fault).Round(time.Millisecond))
}

// awaitStreams waits until the gateway of c1 is connected to an agent.
func awaitStreams(t *testing.T) {
	t.Helper()
	rig.Await(t, "the gateway of c1 is connected", time.Minute, func(ctx context.Context) error {
		streams := 0.0
		pods, err := suite.Pods(ctx, 1, agentApp)
		for _, pod := range pods {
			m, err := suite.Metrics(ctx, 1, pod, 15020, "/metrics")
			if err != nil {
				return err
			}
			streams += m["eastwest_xds_streams"]
		}
		if err == nil && streams == 0 {
			err = errors.New("no stream")
		}
		return err
	})
}

// withoutAgents is what F26, F33 and F56 have in common: agents of c1 go and come
// back, nobody who calls notices, and the gateway is told nothing that it knows.
func withoutAgents(t *testing.T, harm func(t *testing.T, agents []rig.Pod)) {
	t.Helper()
	p, before, pods := probe(t), toldGateway(t), agents(t)
	remove(t)
	fault := time.Now()
	harm(t, pods)
	awaitWrites(t, fault)
	agents(t)
	awaitStreams(t)
	p.await(t, 2*time.Second)
	before.wantToldNothing(t)
	p.wantNoFailure(t, fault)
	t.Log(p.failures(fault))
}

func testLeaderKilled(t *testing.T) {
	withoutAgents(t, func(t *testing.T, agents []rig.Pod) { agents[0].Kill(t) })
}

// testAgentsStopped replaces both agents, one after the other.
func testAgentsStopped(t *testing.T) {
	withoutAgents(t, func(t *testing.T, _ []rig.Pod) { replaceAgents(t) })
}

func testAgentsKilled(t *testing.T) {
	withoutAgents(t, func(t *testing.T, agents []rig.Pod) {
		for _, agent := range agents {
			agent.Kill(t)
		}
	})
}

func replaceAgents(t *testing.T) {
	t.Helper()
	start := time.Now()
	suite.Kubectl(t, 1, "-n", rig.Namespace, "rollout", "restart", "deployment/"+agentApp)
	suite.Kubectl(t, 1, "-n", rig.Namespace, "rollout", "status", "deployment/"+agentApp, "--timeout=90s")
	suite.AwaitPods(t, 1, agentApp, 2)
	t.Logf("both agents of c1 replaced in %s", time.Since(start).Round(100*time.Millisecond))
}

// testStartWithoutMember restarts the agents of c1 while the API server of c3 is
// away: what they know of c3 is in their snapshots.
func testStartWithoutMember(t *testing.T) {
	p, before := probe(t), toldGateway(t)
	replaceAgents(t) // the kubelet delays agents that were killed before
	for _, pod := range agents(t) {
		rig.Await(t, "agent "+pod.Name+" has written a snapshot", 30*time.Second, func(ctx context.Context) error {
			m, err := suite.Metrics(ctx, 1, pod, 15020, "/metrics")
			if err == nil && m["eastwest_snapshot_writes_total"] == 0 {
				err = errors.New("none yet")
			}
			return err
		})
	}
	defer resume(t, 3)
	halt(t, 3, unix.SIGKILL)
	fault := time.Now()
	for _, pod := range agents(t) {
		pod.Kill(t)
	}
	rig.Await(t, "both agents of c1 are ready again", time.Minute, func(ctx context.Context) error {
		pods, err := suite.Pods(ctx, 1, agentApp)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if pod.Restarts == 0 || !pod.Ready {
				return fmt.Errorf("pods %+v", pods)
			}
		}
		return nil
	})
	t.Logf("both agents were ready after %s", time.Since(fault).Round(100*time.Millisecond))
	awaitStreams(t)
	for _, pod := range agents(t) {
		wantAllInView(t, pod)
	}
	p.awaitVersion(t, "c3", time.Now(), 30*time.Second)
	before.wantToldNothing(t)

	resume(t, 3)
	back := time.Now()
	suite.Kubectl(t, 1, "wait", "membercluster/c3", "--for=jsonpath={.status.state}=ready", "--timeout=60s")
	t.Logf("c3 is ready %s after its API server was", time.Since(back).Round(100*time.Millisecond))
	p.await(t, 2*time.Second)
	p.wantNoFailure(t, fault)
	before.wantToldNothing(t)
	t.Log(p.failures(fault))
}

// wantAllInView wants the endpoints of all clusters in an agent's view.
func wantAllInView(t *testing.T, pod rig.Pod) {
	t.Helper()
	ctx, cancel := rig.Bounded(t, 30*time.Second)
	defer cancel()
	m, err := suite.Metrics(ctx, 1, pod, 15020, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	// Each server is in the shared service and in the one of its cluster.
	want := 0
	for _, count := range replicas {
		want += 2 * count
	}
	if got := m["eastwest_view_endpoints"]; got != float64(want) {
		t.Errorf("agent %s has %v endpoints in its view, want %d", pod.Name, got, want)
	}
}
