//go:build e2e

package plain

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// testPlainFaults breaks one thing at a time: verify must name it.
func testPlainFaults(t *testing.T) {
	for _, fault := range []struct {
		name       string
		harm, mend func(t *testing.T)
		want       func(t *testing.T, p proof)
	}{
		{
			"15443 of a gateway is dropped on the way",
			func(t *testing.T) { suite.Drop(t, 2, "tcp dport 15443") },
			func(t *testing.T) { suite.Rejoin(t, 2) },
			func(t *testing.T, p proof) { p.wantFinding(t, "gateway-tcp", "gateway", "c2", "c1 -> c2") },
		},
		{
			"an agent was scaled down",
			func(t *testing.T) { scale(t, 1, "eastwest-agent", 0) },
			func(t *testing.T) { scale(t, 1, "eastwest-agent", 2) },
			func(t *testing.T, p proof) {
				p.wantFinding(t, "agent-running", "agent", "c1", "c1 -> c1", "c1 -> c2")
				p.wantFinding(t, "agent-producer", "agent", "c1", "c2 -> c1")
			},
		},
		{
			"a gateway was scaled down",
			func(t *testing.T) { scale(t, 1, "eastwest-gateway", 0) },
			func(t *testing.T) { scale(t, 1, "eastwest-gateway", 1) },
			func(t *testing.T, p proof) {
				p.wantFinding(t, "egress-pods", "egress", "c1", "c1 -> c2")
				p.wantFinding(t, "gateway-pods", "gateway", "c1", "c2 -> c1")
			},
		},
		{
			"a record was deleted",
			func(t *testing.T) { suite.Kubectl(t, 1, "-n", "eastwest-system", "delete", "secret", "member-c2") },
			func(t *testing.T) { suite.Run(t, 0, up("--no-verify")...) },
			func(t *testing.T, p proof) {
				p.wantFinding(t, "agent-record", "agent", "c1", "c1 -> c2")
				p.wantFinding(t, "certificate-admitted", "certificate", "c1", "c2 -> c1")
			},
		},
	} {
		t.Run(fault.name, func(t *testing.T) {
			defer wantWhole(t)
			defer fault.mend(t)
			fault.harm(t)
			r := suite.Run(t, 5, verify("-o", "json")...)
			var p proof
			r.Decode(t, &p)
			fault.want(t, p)
			t.Logf("named after %s", r.Took.Round(time.Second))
		})
	}
}

// wantWhole wants the mesh to be in order again.
func wantWhole(t *testing.T) {
	t.Helper()
	r := suite.Run(t, 0, verify("--converge", "1m", "-o", "json")...)
	var p proof
	r.Decode(t, &p)
	p.wantFull(t)
}

// scale changes a Deployment of ours and waits until it is so.
func scale(t *testing.T, i int, name string, replicas int) {
	t.Helper()
	suite.Kubectl(t, i, "-n", "eastwest-system", "scale", "deployment", name, fmt.Sprintf("--replicas=%d", replicas))
	suite.Kubectl(t, i, "-n", "eastwest-system", "rollout", "status", "deployment/"+name, "--timeout=90s")
	rig.Await(t, "pods of "+name, time.Minute, func(ctx context.Context) error {
		pods, err := suite.Try(ctx, i, "-n", "eastwest-system", "get", "pods", "-l", "app="+name, "-o", "name")
		if err == nil && len(strings.Fields(pods)) != replicas {
			err = fmt.Errorf("pods: %s", pods)
		}
		return err
	})
}
