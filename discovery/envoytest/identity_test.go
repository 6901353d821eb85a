//go:build envoy

package envoytest

import (
	"fmt"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
)

// TestAnotherGatewayAtTheAddress is a neighbour of H05: nobody declared which addresses
// are whose, and a member names the gateway of another one as its own. That one proves
// another identity, so that nothing is sent to it.
func TestAnotherGatewayAtTheAddress(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2, c3)
	mine, victim := m.pod(c1), m.pod(c3)
	// The victim exports a service of that name, too: its gateway would lead there.
	port := m.export("shared", database, map[model.MemberName][]string{c1: {mine.address}, c2: {victim.address}, c3: {victim.address}})
	m.publish()
	m.gateway(c3)
	g := m.gateway(c1)
	reach(t, m.egress(c1, port), victim) // as the victim's own
	liar := *m.members[c2]
	liar.Gateways = m.members[c3].Gateways
	m.members[c2] = &liar
	m.export("shared", database, map[model.MemberName][]string{c1: {mine.address}, c2: {victim.address}})
	m.agents[c1].show(m.view(), m.listeners)
	refusals := "cluster." + translate.EgressName(port) + ".ssl.fail_verify_san"
	await(t, "its certificate is refused", patience*4, func() error {
		if got := g.counters()[refusals]; got == 0 {
			return fmt.Errorf("%s is %d", refusals, got)
		}
		return nil
	})
	before := victim.accepted.Load()
	for range 50 {
		if told, err := greet(m.egress(c1, port)); err == nil && told != mine.address {
			t.Fatalf("led to %s", told)
		}
	}
	if got := victim.accepted.Load(); got != before {
		t.Errorf("%d connections came to the victim's pod", got-before)
	}
}

// TestGatewaysTakeNoOtherAgent: what proves that it is another member's agent, or a
// gateway, tells a gateway nothing, though its certificate leads to the same root.
func TestGatewaysTakeNoOtherAgent(t *testing.T) {
	t.Parallel()
	for _, identity := range []string{id("agent-c2"), gatewayID(c1)} {
		t.Run(identity, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, c1, c2)
			m.publish()
			a := m.agents[c1]
			a.kill()
			serving, err := a.authority.Rotating(identity, 0)
			if err != nil {
				t.Fatal(err)
			}
			a.set(func(a *agent) { a.serving = serving })
			a.start()
			g := m.newGateway(c1)
			g.start()
			await(t, "it is refused", patience*4, func() error {
				if _, err := g.get("/ready"); err != nil {
					return err
				}
				if counters := g.counters(); counters["cluster.xds.ssl.fail_verify_san"] == 0 || counters["control_plane.connected_state"] != 0 {
					return fmt.Errorf("%d refused, connected %d", counters["cluster.xds.ssl.fail_verify_san"], counters["control_plane.connected_state"])
				}
				return nil
			})
			if got := a.stats().Opened; got > 0 {
				t.Errorf("%d streams were opened", got)
			}
		})
	}
}
