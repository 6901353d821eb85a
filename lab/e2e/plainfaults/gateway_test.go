//go:build e2e

package plainfaults

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// failover is within what time calls must not fail any more.
const failover = 3 * time.Second

// testGatewayKilled kills the gateway of c2 twice: it is back at once after the
// first time, and after the second the kubelet waits before it starts it again.
func testGatewayKilled(t *testing.T) {
	p := probe(t)
	for _, kill := range []string{"first", "second"} {
		pod := suite.AwaitPods(t, 2, gatewayApp, 1)[0]
		fault := time.Now()
		pod.Kill(t)
		rig.Await(t, "the gateway of c2 runs again", time.Minute, func(ctx context.Context) error {
			pods, err := suite.Pods(ctx, 2, gatewayApp)
			if err == nil && (len(pods) != 1 || pods[0].Restarts == pod.Restarts || !pods[0].Ready) {
				err = fmt.Errorf("pods %+v", pods)
			}
			return err
		})
		back := time.Now()
		used := p.awaitVersion(t, "c2", back, time.Minute)
		t.Logf("%s kill: the gateway was ready after %s, and used %s later", kill, back.Sub(fault).Round(time.Millisecond), used.Round(time.Millisecond))
		p.awaitWhole(t)
		p.wantFailover(t, fault, failover)
	}
}

// testClusterLost cuts c3 off, which is worse than to stop it: nothing is refused.
func testClusterLost(t *testing.T) {
	w, p, before := watchMember(t, "c3"), probe(t), toldGateway(t)
	defer suite.Rejoin(t, 3)
	fault := time.Now()
	suite.Isolate(t, 3)
	t.Logf("shown as degraded after %s", w.await(t, "degraded", fault, 30*time.Second).Round(time.Millisecond))
	p.await(t, outage)
	p.wantFailover(t, fault, 3*failover)
	after := p.failures(fault.Add(3 * failover))
	t.Logf("later: %s", after)
	if after.versions["c3"] > 0 || after.versions["c1"] == 0 || after.versions["c2"] == 0 {
		t.Errorf("c3 is cut off, and answers come from %v", after.versions)
	}
	before.wantToldNothing(t)

	suite.Rejoin(t, 3)
	healed := time.Now()
	t.Logf("c3 is used again after %s", p.awaitVersion(t, "c3", healed, time.Minute).Round(time.Millisecond))
	t.Logf("shown as ready after %s", w.await(t, "ready", healed, 30*time.Second).Round(time.Millisecond))
	p.await(t, 5*time.Second)
	p.wantNoFailure(t, healed)
	before.wantToldNothing(t)
}
