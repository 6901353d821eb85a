//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// agentImage is the agent's, made by the lab.
const agentImage = "lab.local/eastwest-agent:lab"

// renewalPatience bounds the wait for a token of ten minutes to be renewed: that
// happens at about half of its life.
const renewalPatience = 7 * time.Minute

// testBesideIstio turns a mesh of istiods that read each other's API servers into
// one where agents hold the credentials, with stock istiods in their default
// settings: none of them reads a Secret of another cluster any more.
func testBesideIstio(t *testing.T) {
	wantJoined(t, 2)
	sample(t)
	suite.state = unknown
	probers := []*prober{probe(t, 1), probe(t, 2)}
	args := append(upArgs(1, 2), "--agent", "--image-agent", agentImage, "--token-ttl", "10m", "--accept-merge")
	upReport(t, must(t, append(args, "-o", "json")...)).wantMatrix(t, 2)
	before, since := mark(t), time.Now()
	first := tokenExpiry(t)

	t.Run("istiods that start anew read no Secret of a peer", func(t *testing.T) { testNoSecretRead(t, before, since) })
	t.Run("a second up changes nothing", func(t *testing.T) {
		again := mark(t)
		must(t, append(slices.Clone(args), "--no-verify")...)
		again.wantNoWrites(t)
	})
	t.Run("an agent that restarts costs nothing", testAgentRestart)
	t.Run("status and verify know of it", func(t *testing.T) {
		if s, r := status(t, 1, 2); r.exit != 0 {
			t.Errorf("status says %+v\n%s", s, r)
		}
		must(t, join([]string{"verify"}, members(1, 2), images())...)
	})
	t.Run("the whole way is proved", testWholeWay)
	t.Run("a gateway that is cut off is named", testCutWay)
	t.Run("a probe that is not exposed is named", testUnexposedWay)
	t.Run("agents that do not run are no broken way", testWayWithoutAgents)
	t.Run("multi-cluster services", testImportsBesideIstio)
	t.Run("tokens are renewed", func(t *testing.T) {
		await(t, "the agent of c1 has a new token for c2", renewalPatience, func(context.Context) error {
			if now := tokenExpiry(t); now == first {
				return fmt.Errorf("it still ends at %s", now)
			}
			return nil
		})
	})
	for _, p := range probers {
		p.stop(t)
	}
}

// tokenExpiry is when the token of c1's agent for c2 ends.
func tokenExpiry(t *testing.T) string {
	t.Helper()
	return kubectl(t, 1, "-n", "eastwest-system", "get", "secret", "member-c2", "-o", `jsonpath={.metadata.annotations.eastwest\.dev/token-expiry}`)
}

// testNoSecretRead restarts the istiods, so that they list everything again, and
// looks who asked for what.
func testNoSecretRead(t *testing.T, before marks, since time.Time) {
	for i := 1; i <= 2; i++ {
		kubectl(t, i, "-n", "istio-system", "rollout", "restart", "deployment/istiod-"+revision())
	}
	for i := 1; i <= 2; i++ {
		kubectl(t, i, "-n", "istio-system", "rollout", "status", "deployment/istiod-"+revision(), "--timeout=90s")
		wantSynced(t, i, 2)
	}
	for i := 1; i <= 2; i++ {
		peers := before.those(t, i, func(r request) bool {
			return strings.HasPrefix(r.User.Username, "system:serviceaccount:eastwest-system:") && r.User.Username != "system:serviceaccount:eastwest-system:eastwest-agent"
		})
		pods := 0
		for _, r := range peers {
			if r.RequestReceivedTimestamp.Before(since) {
				continue // a watch of before, which is logged again when it ends
			}
			if r.ObjectRef.Resource == "secrets" || strings.Contains(r.User.Username, ":istiod-") {
				t.Errorf("c%d: %s asked for %s", i, r.User.Username, r.RequestURI)
			}
			if r.ObjectRef.Resource == "pods" {
				pods++
			}
		}
		if pods == 0 {
			t.Errorf("c%d: nobody asked for pods: the agent's account is not what istiod reads through", i)
		}
	}
}

// testAgentRestart kills the agents of c1 at once: istiod keeps what it knows, and
// takes its watches up again.
func testAgentRestart(t *testing.T) {
	kubectl(t, 1, "-n", "eastwest-system", "delete", "pods", "-l", "app=eastwest-agent", "--force", "--grace-period=0")
	kubectl(t, 1, "-n", "eastwest-system", "rollout", "status", "deployment/eastwest-agent", "--timeout=90s")
	wantSynced(t, 1, 2)
	name := "after-restart"
	kubectl(t, 2, "-n", "sample", "create", "service", "clusterip", name, "--tcp=5000:5000")
	kubectl(t, 2, "-n", "sample", "patch", "service", name, "-p", `{"spec":{"selector":{"app":"helloworld"}}}`)
	defer kubectl(t, 2, "-n", "sample", "delete", "service", name)
	await(t, "istiod of c1 learns a service of c2 through the new agent", time.Minute, func(context.Context) error {
		out := istioctl(t, 1, "", "proxy-config", "endpoints", "deployment/sleep.sample", "--cluster", "outbound|5000||"+name+".sample.svc.cluster.local")
		if !strings.Contains(out, ":15443") {
			return fmt.Errorf("endpoints:\n%s", out)
		}
		return nil
	})
}
