//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// notice is how long an agent may take to see that a way broke.
const notice = 10 * time.Second

// way is what the agent of cluster i says of the way to another: status, reason, hop
// and description.
func way(t *testing.T, i int, to string) string {
	t.Helper()
	return kubectl(t, i, "get", "memberclusters", to, "-o",
		`jsonpath={.status.conditions[?(@.type=="Reachable")].status} {.status.conditions[?(@.type=="Reachable")].reason} {.status.link.hop}: {.status.description}`)
}

// awaitWay waits until the agent of c1 says that of the way to c2.
func awaitWay(t *testing.T, what string, patience time.Duration, begins string) {
	t.Helper()
	await(t, what, patience, func(context.Context) error {
		if now := way(t, 1, "c2"); !strings.HasPrefix(now, begins) {
			return fmt.Errorf("want %s, it says %s", begins, now)
		}
		return nil
	})
}

const wholeWay = "True Answers answer: "

// testWholeWay: agents ask each other through the gateways, with certificates of the
// mesh, and everything that shows links says so.
func testWholeWay(t *testing.T) {
	awaitWay(t, "the agent of c1 is answered by that of c2", time.Minute, wholeWay)
	s, r := status(t, 1, 2)
	for _, link := range s.Links {
		if link.Agent == nil || link.Agent.Reached != "True" || link.Agent.Hop != "answer" || link.Agent.RTTMilliseconds <= 0 || link.Agent.RTTMilliseconds > 1000 {
			t.Errorf("%s to %s: its agent says %+v\n%s", link.Consumer, link.Producer, link.Agent, r)
		}
	}
	for i, one := range s.Members {
		if one.Agent != "2/2" || one.Region == "" {
			t.Errorf("c%d: agent %q, region %q", i+1, one.Agent, one.Region)
		}
	}
	text := must(t, join([]string{"status"}, members(1, 2))...).stdout
	if strings.Count(text, "synced  answer ") != 2 {
		t.Errorf("status says\n%s", text)
	}
	pod := strings.Fields(kubectl(t, 1, "-n", "eastwest-system", "get", "pods", "-l", "app=eastwest-agent", "-o", "jsonpath={.items[*].status.podIP}"))[0]
	ctx, cancel := bounded(t)
	defer cancel()
	metrics, err := output(cluster(1).Command(ctx, "curl", "-sS", "http://"+pod+":15020/metrics"), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`eastwest_link_up{member="c2"} 1`, `eastwest_link_rtt_seconds{member="c2"} `} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
}

// testCutWay drops what c1 sends to the gateway of c2, beside the probers' own
// connections: the agent of c1 must say so by itself.
func testCutWay(t *testing.T) {
	awaitWay(t, "c2 answers", time.Minute, wholeWay)
	agents := strings.Fields(kubectl(t, 1, "-n", "eastwest-system", "get", "pods", "-l", "app=eastwest-agent", "-o", "jsonpath={.items[*].status.podIP}"))
	rule := "ip daddr { " + strings.Join(gatewayIPs(t), ", ") + " } ip saddr { " + strings.Join(agents, ", ") + " } tcp dport 15443"
	dropForwarded(t, 1, rule)
	defer closeFirewall(t, 1)
	awaitWay(t, "c1 says that c2 is not reached", notice, "False NotConnected tcp: ")
	if r := eastwest(t, join([]string{"status"}, members(1, 2))...); r.exit != 5 || !strings.Contains(r.stdout, "not-reached  broken at tcp") {
		t.Errorf("status says\n%s", r)
	}
	closeFirewall(t, 1)
	awaitWay(t, "c2 answers again", 2*notice, wholeWay)
}

// testUnexposedWay lets the gateway of c2 lead to the sample alone: it still accepts
// connections, and leads nobody to its agent.
func testUnexposedWay(t *testing.T) {
	exposed := func(host string) {
		t.Helper()
		kubectl(t, 2, "-n", "istio-system", "patch", "gateways.networking.istio.io", "cross-network-gateway", "--type=json", "-p",
			fmt.Sprintf(`[{"op": "replace", "path": "/spec/servers/0/hosts", "value": [%q]}]`, host))
	}
	exposed("*.sample.svc.cluster.local")
	defer exposed("*.local")
	awaitWay(t, "c1 says that the gateway of c2 closes the connection", 2*notice, "False NoTLS tls: ")
	exposed("*.local")
	awaitWay(t, "c2 answers again", 2*notice, wholeWay)
}

// testWayWithoutAgents stops the agents of c2, which is no fault of the way.
func testWayWithoutAgents(t *testing.T) {
	scale := func(count int) {
		t.Helper()
		kubectl(t, 2, "-n", "eastwest-system", "scale", "deployment", "eastwest-agent", fmt.Sprintf("--replicas=%d", count))
	}
	scale(0)
	defer scale(2)
	awaitWay(t, "c1 says that no more than TCP is proved", 2*notice, "True Connects tcp: ")
	scale(2)
	awaitWay(t, "c2 answers again", time.Minute, wholeWay)
}

// testAddressesRestored advertises an address of c2's gateway, and deletes what tells
// the istiod of c1 of it.
func testAddressesRestored(t *testing.T) {
	suite.state = unknown
	address := gatewayIPs(t)[0]
	args := append(upArgs(1, 2), "--agent", "--image-agent", agentImage, "--accept-merge", "--no-verify")
	must(t, join(args, []string{"--advertise", "c2=" + address + ":15443"})...)
	defer must(t, args...)
	const object = "gateways.gateway.networking.k8s.io/eastwest-c2-1"
	told := func(ctx context.Context) error {
		out, err := try(ctx, 1, "-n", "istio-system", "get", object, "-o", "jsonpath={.spec.addresses[*].value}")
		if err == nil && out != address {
			err = fmt.Errorf("it is %s", out)
		}
		return err
	}
	kubectl(t, 1, "-n", "istio-system", "delete", object)
	await(t, "the agent of c1 writes it again", 2*notice, told)
	kubectl(t, 1, "-n", "istio-system", "patch", object, "--type=merge", "-p", `{"spec":{"addresses":[{"type":"IPAddress","value":"192.0.2.9"}]}}`)
	await(t, "the agent of c1 corrects it", 2*notice, told)
	await(t, "the agent of c1 says so", 2*notice, func(ctx context.Context) error {
		out, err := try(ctx, 1, "get", "memberclusters", "c2", "-o", `jsonpath={.status.conditions[?(@.type=="AddressesKept")].reason}`)
		if err == nil && out != "Restored" {
			err = fmt.Errorf("%q", out)
		}
		return err
	})
	for _, other := range []string{"create gateways.gateway.networking.k8s.io", "patch gateways.gateway.networking.k8s.io/other", "get secrets"} {
		question := append([]string{"auth", "can-i", "-n", "istio-system", "--as", "system:serviceaccount:eastwest-system:eastwest-agent"}, strings.Fields(other)...)
		ctx, cancel := bounded(t)
		if out, err := try(ctx, 1, question...); err == nil {
			t.Errorf("the agent may %s in istio-system: %s", other, out)
		}
		cancel()
	}
}

// gatewayIPs are the addresses of c2's gateway.
func gatewayIPs(t *testing.T) []string {
	t.Helper()
	return strings.Fields(kubectl(t, 2, "-n", "istio-system", "get", "service", gatewayName, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"))
}
