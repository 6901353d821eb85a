//go:build envoy

package envoytest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// other is a second gateway of a member that takes endpoints of a service at once.
func (m *mesh) other(t *testing.T, member model.MemberName, port model.PortKey) *xdsclient.Stream {
	t.Helper()
	config := peer{certificate: m.root.Intermediate(t).Leaf(t, gatewayID(member)).TLS()}.config()
	config.NextProtos = []string{"h2"}
	s := xdsclient.OpenFor(t, xdsclient.Dial(t, m.agents[member].address, config), &corev3.Node{Id: "other", Cluster: string(member)}, 5*time.Minute)
	s.Subscribe(xdsclient.Clusters)
	name := ""
	for _, one := range s.Take(xdsclient.Clusters).GetResources() {
		if one.GetName() == translate.EgressName(port) {
			name = translate.EgressName(port)
		}
	}
	if name == "" {
		t.Fatal("there is no cluster of the service")
	}
	s.Subscribe(xdsclient.Endpoints, m.agents[member].endpointsOf(t, port))
	s.Take(xdsclient.Endpoints)
	return s
}

// endpointsOf is the name under which the endpoints of a service are.
func (a *agent) endpointsOf(t *testing.T, port model.PortKey) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.shown.Clusters {
		if one.GetName() == translate.EgressName(port) {
			return one.GetEdsClusterConfig().GetServiceName()
		}
	}
	t.Fatalf("no cluster %s", translate.EgressName(port))
	return ""
}

// pending counts the answers under way to a gateway; false where it is not connected.
func (a *agent) pending(node string) (count int, connected bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.publisher.Proxies() {
		if one.Node != node {
			continue
		}
		for _, subscription := range one.Subscriptions {
			if subscription.Pending {
				count++
			}
		}
		return count, true
	}
	return 0, false
}

// TestGatewayFrozenForAMinute is F35 as it is in the table: what waits for a gateway that
// does not read is at most one answer of each type, others get every change at once, the
// connection is reset by the agent's keepalive, and when it wakes it gets the newest
// only. TestFrozenGatewayGetsTheNewestOnly is shorter than the keepalive. The neighbour:
// meanwhile the other member leaves, so that clusters and listeners change as well.
func TestGatewayFrozenForAMinute(t *testing.T) {
	t.Parallel()
	slow(t)
	p := newPair(t, database)
	last := p.pod(c1)
	g, agent := p.gateways[c1], p.agents[c1]
	await(t, "all is quiet", patience, agent.settled)
	other := p.other(t, c1, p.port)
	before, taken := agent.stats(), 0
	const node = "gateway-c1"
	if _, connected := agent.pending(node); !connected {
		t.Fatalf("no gateway %s", node)
	}
	g.signal(syscall.SIGSTOP)
	t.Cleanup(func() { _ = g.process.Signal(syscall.SIGCONT) })
	began := time.Now()
	var reset time.Duration
	for i := 0; time.Since(began) < time.Minute; i++ {
		p.export("shared", database, map[model.MemberName][]string{c1: {p.address(100 + i%100)}, c2: nil})
		agent.show(p.view(), p.listeners)
		other.Take(xdsclient.Endpoints)
		taken++
		waiting, connected := agent.pending(node)
		if waiting > 4 {
			t.Fatalf("%d answers wait for a gateway that reads none", waiting)
		}
		if !connected && reset == 0 {
			reset = time.Since(began)
		}
		<-time.After(500 * time.Millisecond)
	}
	if sent := agent.stats().Responses - before.Responses - taken; sent > 1 {
		t.Errorf("%d answers to a gateway that reads none, beside %d to the other", sent, taken)
	}
	t.Logf("figure: %d changes, the connection was reset after %v", taken, reset.Round(time.Second))
	if reset == 0 {
		t.Error("the keepalive did not reset the connection")
	}
	added := p.export("added", database, map[model.MemberName][]string{c1: {last.address}})
	p.export("shared", database, map[model.MemberName][]string{c1: {last.address}, c2: nil})
	delete(p.members, c2)
	agent.show(p.view(), p.listeners)
	g.signal(syscall.SIGCONT)
	reach(t, p.at, last)
	reach(t, p.egress(c1, added), last)
	await(t, "the gateway has all there is", 20*time.Second, func() error {
		if waiting, connected := agent.pending(node); !connected || waiting > 0 {
			return fmt.Errorf("connected: %v, %d under way", connected, waiting)
		}
		return nil
	})
	after := g.counters()
	t.Logf("figure: on wake %d updates of clusters, %d of listeners", after["cluster_manager.cds.update_success"], after["listener_manager.lds.update_success"])
	if got := after["cluster."+translate.EgressName(p.port)+".update_success"]; got > 4 {
		t.Errorf("%d updates of the endpoints reached it, for %d changes", got, taken)
	}
}
