//go:build envoy

package envoytest

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestAgentIsKilledAndComesBack takes both control planes away under traffic. What
// serves again gives nothing to gateways that have everything.
func TestAgentIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	p := newPair(t, database)
	staying := open(t, p.at, p.remote)
	prober := probe(t, p.connect)
	for _, agent := range p.agents {
		agent.kill()
	}
	await(t, "the gateways notice", patience, func() error {
		for name, g := range p.gateways {
			if g.counters()["control_plane.connected_state"] != 0 {
				return fmt.Errorf("%s is connected", name)
			}
		}
		return nil
	})
	_, _ = prober.take()
	await(t, "traffic without agents", patience, func() error {
		if prober.total.Load() < 100 {
			return fmt.Errorf("%d connections", prober.total.Load())
		}
		return missing(shares(20, p.connect), p.local, p.remote)
	})
	for name, agent := range p.agents {
		agent.start()
		took := await(t, "the gateway is back", 20*time.Second, agent.settled)
		stats := agent.stats()
		t.Logf("figure: %s: back after %v, %d resources in %d responses", name, took.Round(10*time.Millisecond), stats.Resources, stats.Responses)
		if stats.Resources != 0 || stats.Removed != 0 {
			t.Errorf("%s: %d resources and %d removals for a gateway that has everything", name, stats.Resources, stats.Removed)
		}
	}
	// The stream is alive, and a change is all that it carries.
	p.export("shared", database, map[model.MemberName][]string{c1: nil, c2: {p.remote.address}})
	p.agents[c1].show(p.view(), p.listeners)
	only(t, prober, p.remote, patience)
	await(t, "the gateway has it", patience, p.agents[c1].settled)
	if stats := p.agents[c1].stats(); stats.Resources != 2 {
		t.Errorf("%d resources for a change of the endpoints of one service, inbound and egress", stats.Resources)
	}
	if err := staying.echo(); err != nil {
		t.Errorf("the open connection: %v", err)
	}
	if _, failed := prober.stop(); len(failed) > 0 {
		t.Errorf("%d connections failed, the first: %v", len(failed), failed[0])
	}
}

// TestFrozenGatewayGetsTheNewestOnly stops an Envoy while endpoints change: what
// is kept for it does not grow, and when it wakes the past is skipped.
func TestFrozenGatewayGetsTheNewestOnly(t *testing.T) {
	t.Parallel()
	p := newPair(t, database)
	last := p.pod(c1)
	g, agent := p.gateways[c1], p.agents[c1]
	await(t, "all is quiet", patience, agent.settled)
	before := agent.stats()
	g.signal(syscall.SIGSTOP)
	t.Cleanup(func() { _ = g.process.Signal(syscall.SIGCONT) })
	const changes = 50
	for i := range changes {
		address := p.address(200 + i)
		if i == changes-1 {
			address = last.address
		}
		p.export("shared", database, map[model.MemberName][]string{c1: {address}, c2: nil})
		agent.show(p.view(), p.listeners)
	}
	frozen := agent.stats()
	if sent := frozen.Responses - before.Responses; sent > 1 {
		t.Errorf("%d responses went to a gateway that reads none", sent)
	}
	g.signal(syscall.SIGCONT)
	reach(t, p.at, last)
	await(t, "the gateway has all there is", patience, agent.settled)
	sent := agent.stats().Responses - before.Responses
	t.Logf("figure: %d changes, %d responses", changes, sent)
	if sent > 2 {
		t.Errorf("%d responses for %d changes, want the first and the last", sent, changes)
	}
}

// TestAbsentEndpointsDoNotHoldBack gives Envoy a cluster whose endpoints nobody
// publishes. An agent that says so, and does not keep silent, ends its wait.
func TestAbsentEndpointsDoNotHoldBack(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	m.publish()
	const absent = `
  - name: absent
    type: EDS
    eds_cluster_config: {service_name: nobody, eds_config: {ads: {}, resource_api_version: V3}}
`
	g := m.newGateway(c1, func(bootstrap string) string {
		before, after, found := strings.Cut(bootstrap, "\n  listeners:\n")
		if !found {
			t.Fatal("the bootstrap has no static listeners")
		}
		return before + absent + "  listeners:\n" + after
	})
	g.start()
	took := g.awaitLive()
	t.Logf("figure: live after %v", took.Round(10*time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("live after %v: it waited for endpoints that do not exist", took)
	}
	if g.counters()["cluster.absent.update_empty"] == 0 {
		t.Error("the cluster was not told that its endpoints are absent")
	}
	if stats := m.agents[c1].stats(); stats.Removed != 1 {
		t.Errorf("%d names were said to be absent, want 1", stats.Removed)
	}
}

// TestColdStart measures how long an Envoy takes to be live with many services,
// each exported by both members.
func TestColdStart(t *testing.T) {
	m := newMesh(t, c1, c2)
	const count = 500
	backends := map[model.MemberName][]string{c1: {m.podAddress(c1)}, c2: {m.podAddress(c2)}}
	for i := range count {
		m.export(fmt.Sprintf("service-%d", i), database, backends)
	}
	m.publish()
	g := m.newGateway(c1)
	g.start()
	took := g.awaitLive()
	counters := g.counters()
	t.Logf("figure: %d services, %d clusters, %d listeners: live after %v, %d MiB", count,
		counters["cluster_manager.active_clusters"], counters["listener_manager.total_listeners_active"],
		took.Round(10*time.Millisecond), counters["server.memory_allocated"]>>20)
	if got := counters["listener_manager.total_listeners_active"]; got < count {
		t.Errorf("%d listeners are active, want more than %d", got, count)
	}
	if took > 12*time.Second {
		t.Errorf("live after %v", took)
	}
}
