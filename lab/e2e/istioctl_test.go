//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// testIstioctl asks istioctl of the same Istio what it thinks of the mesh.
func testIstioctl(t *testing.T) {
	wantJoined(t, 3)
	sample(t)
	t.Run("remote-clusters shows every peer synced", testRemoteClusters)
	t.Run("analyze has nothing against our objects", testAnalyze)
	t.Run("proxy-config endpoints shows the peer's gateway", testEndpoints)
}

func testRemoteClusters(t *testing.T) {
	for i := 1; i <= 3; i++ {
		wantSynced(t, i, 3)
	}
}

// wantSynced wants that istioctl shows the first n clusters as synced in c_i.
func wantSynced(t *testing.T, i, n int) {
	t.Helper()
	await(t, fmt.Sprintf("c%d has synced every peer", i), time.Minute, func(ctx context.Context) error {
		// It may ask an istiod that is about to go.
		out, err := output(istioctlCommand(ctx, "--kubeconfig", cluster(i).Kubeconfig, "remote-clusters", "--revision", revision()), "")
		if err != nil {
			return err
		}
		synced := map[string]bool{}
		for line := range strings.Lines(out) {
			fields := strings.Fields(line)
			synced[fields[0]] = slices.Contains(fields, "synced")
		}
		for _, c := range suite.lab.Clusters[:n] {
			if !synced[c.Spec.Istio.ClusterID] {
				return fmt.Errorf("%s is not synced:\n%s", c.Name, out)
			}
		}
		return nil
	})
}

// ours are parts of the names of objects that eastwest makes.
var ours = []string{"eastwest", "cross-network-gateway", "istio-remote-secret", "cacerts"}

// testAnalyze gives istioctl administrators' contexts for the other clusters:
// the credentials in remote secrets may not list Istio's configuration.
func testAnalyze(t *testing.T) {
	config := merged(t)
	for i, c := range suite.lab.Clusters {
		args := []string{"--kubeconfig", config, "--context", c.Context, "analyze", "-A", "--revision", revision(), "--timeout", "60s", "-o", "json"}
		for j, peer := range suite.lab.Clusters {
			if i != j {
				args = append(args, "--remote-contexts", peer.Context)
			}
		}
		ctx, cancel := bounded(t)
		defer cancel()
		out, err := output(istioctlCommand(ctx, args...), "")
		if err != nil {
			t.Errorf("%v\n%s", err, out)
			continue
		}
		var messages []struct{ Cluster, Code, Level, Message, Origin string }
		if err := json.Unmarshal([]byte(out), &messages); err != nil {
			t.Fatalf("analyze: %v\n%s", err, out)
		}
		for _, m := range messages {
			if slices.ContainsFunc(ours, func(part string) bool { return strings.Contains(m.Origin, part) }) {
				t.Errorf("from %s: %s %s about %s: %s", c.Name, m.Level, m.Code, m.Origin, m.Message)
			}
		}
	}
}

func testEndpoints(t *testing.T) {
	for i := 1; i <= 2; i++ {
		peer := 3 - i
		gateway := kubectl(t, peer, "-n", "istio-system", "get", "service", "istio-eastwestgateway",
			"-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		await(t, fmt.Sprintf("sleep of c%d has the gateway of c%d", i, peer), time.Minute, func(context.Context) error {
			out := istioctl(t, i, "", "proxy-config", "endpoints", "deployment/sleep.sample",
				"--cluster", "outbound|5000||helloworld.sample.svc.cluster.local")
			if !strings.Contains(out, gateway+":15443") {
				return fmt.Errorf("no %s:15443 in\n%s", gateway, out)
			}
			return nil
		})
	}
}
