//go:build e2e

package plainfaults

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// apiServer is the component that the members' agents watch.
const apiServer = "kube-apiserver"

// sighting is a state that a MemberCluster had.
type sighting struct {
	at    time.Time
	state string
}

// watcher sees how cluster 1 shows another member, all the time.
type watcher struct {
	mu        sync.Mutex
	sightings []sighting
}

// watchMember starts a watcher, which is ready when it has seen that the member is.
func watchMember(t *testing.T, member string) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, suite.Lab.Tools().Kubectl, "--kubeconfig", suite.Cluster(1).Kubeconfig,
		"get", "membercluster", member, "--watch", "-o", `jsonpath={.status.state}{"\n"}`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &watcher{}
	var group sync.WaitGroup
	group.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.mu.Lock()
			w.sightings = append(w.sightings, sighting{time.Now(), lines.Text()})
			w.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		group.Wait()
		_ = cmd.Wait() // it was killed
	})
	w.await(t, "ready", time.Time{}, 30*time.Second)
	return w
}

// await waits for a state to be shown after a moment, and returns how long after.
func (w *watcher) await(t *testing.T, state string, after time.Time, bound time.Duration) time.Duration {
	t.Helper()
	var took time.Duration
	rig.Await(t, "the member is shown as "+state, bound, func(context.Context) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, one := range w.sightings {
			if one.at.After(after) && one.state == state {
				took = one.at.Sub(after)
				return nil
			}
		}
		return fmt.Errorf("seen: %v", w.sightings)
	})
	return took
}

// halt ends or freezes the API server of cluster i.
func halt(t *testing.T, i int, signal unix.Signal) {
	t.Helper()
	ctx, cancel := rig.Bounded(t, time.Minute)
	defer cancel()
	if err := suite.Cluster(i).Stop(ctx, apiServer, signal); err != nil {
		t.Fatal(err)
	}
}

// resume has the API server of cluster i run again, and returns when it is ready.
func resume(t *testing.T, i int) {
	t.Helper()
	halt(t, i, unix.SIGCONT)
	ctx, cancel := rig.Bounded(t, time.Minute)
	defer cancel()
	if err := suite.Cluster(i).Start(ctx, apiServer); err != nil {
		t.Fatal(err)
	}
	rig.Await(t, fmt.Sprintf("the API server of cluster %d is ready", i), time.Minute, func(ctx context.Context) error {
		_, err := suite.Try(ctx, i, "get", "--raw", "/readyz", "--request-timeout=2s")
		return err
	})
}

// told is what the gateway of cluster 1 was told, and by how many endpoints.
type told struct {
	// clusters, listeners and endpoints are updates of each that Envoy took.
	clusters, listeners, endpoints float64
	// hosts are the endpoints that it has.
	hosts float64
	// all is what it says of itself.
	all rig.Metrics
}

func (t told) String() string {
	return fmt.Sprintf("%v clusters, %v listeners, %v endpoints taken, %v hosts", t.clusters, t.listeners, t.endpoints, t.hosts)
}

// toldGateway asks the gateway itself.
func toldGateway(t *testing.T) told {
	t.Helper()
	ctx, cancel := rig.Bounded(t, 30*time.Second)
	defer cancel()
	pods, err := suite.Pods(ctx, 1, gatewayApp)
	if err != nil || len(pods) != 1 {
		t.Fatalf("gateway of cluster 1: %+v, %v", pods, err)
	}
	m, err := suite.Metrics(ctx, 1, pods[0], 15090, "/stats/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	out := told{
		all:       m,
		clusters:  m.Sum("envoy_cluster_manager_cds_update_success"),
		listeners: m.Sum("envoy_listener_manager_lds_update_success"),
		// Envoy takes what follows a dot in a cluster's name for a part of the metric's.
		endpoints: m.Sum("envoy_cluster_" + shop + "_update_success"),
		hosts:     m.Sum("envoy_cluster_" + shop + "_membership_total"),
	}
	if out.clusters == 0 || out.listeners == 0 || out.endpoints == 0 || out.hosts == 0 {
		t.Fatalf("the gateway says of itself: %s", out)
	}
	return out
}

// wantToldNothing wants that the gateway of cluster 1 was told nothing since.
func (before told) wantToldNothing(t *testing.T) {
	t.Helper()
	after := toldGateway(t)
	if after.clusters == before.clusters && after.listeners == before.listeners && after.endpoints == before.endpoints && after.hosts == before.hosts {
		return
	}
	t.Errorf("the gateway of c1 was told something: before %s, after %s", before, after)
	for _, name := range slices.Sorted(maps.Keys(after.all)) {
		if was, is := before.all[name], after.all[name]; was != is && toldBy.MatchString(name) {
			t.Logf("%s: %v, then %v", name, was, is)
		}
	}
}

// toldBy are the metrics that change with what a gateway is told.
var toldBy = regexp.MustCompile("_(update_success|update_rejected|membership_total|warming_clusters|cluster_(added|modified|removed))")

// withoutAPI is what F01 and F02 have in common: the API server of a member is
// away for a while, and nobody who calls notices.
func withoutAPI(t *testing.T, signal unix.Signal, lasts, noticed, back time.Duration) {
	t.Helper()
	w, p, before := watchMember(t, "c2"), probe(t), toldGateway(t)
	defer resume(t, 2)
	fault := time.Now()
	halt(t, 2, signal)
	degraded := w.await(t, "degraded", fault, noticed)
	t.Logf("shown as degraded after %s", degraded.Round(time.Millisecond))
	p.await(t, lasts)
	resume(t, 2)
	lasted := time.Since(fault)
	ready := degraded + w.await(t, "ready", fault.Add(degraded), back)
	t.Logf("shown as ready %s after the API server was", max(0, ready-lasted).Round(time.Millisecond))
	p.await(t, 2*time.Second)
	before.wantToldNothing(t)
	p.wantNoFailure(t, fault)
	t.Log(p.failures(fault))
}

func testAPIKilled(t *testing.T) {
	withoutAPI(t, unix.SIGKILL, time.Minute, 15*time.Second, 30*time.Second)
}

func testAPIFrozen(t *testing.T) { withoutAPI(t, unix.SIGSTOP, outage, 30*time.Second, 30*time.Second) }

// Names of the parts of the mesh, by their label app.
const (
	agentApp   = "eastwest-agent"
	gatewayApp = "eastwest-gateway"
)
