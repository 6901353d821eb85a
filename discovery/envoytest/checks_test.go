//go:build envoy

package envoytest

import (
	"errors"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// TestChecksProveThatAPodAccepts has services that fail in different ways behind a
// gateway whose TLS handshake always works.
func TestChecksProveThatAPodAccepts(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	good, dying, vanishing := m.pod(c2), m.pod(c2), m.pod(c2)
	ports := map[string]model.PortKey{}
	for name, one := range map[string]*pod{"good": good, "dying": dying, "vanishing": vanishing} {
		ports[name] = m.export(name, database, map[model.MemberName][]string{c2: {one.address}})
	}
	m.publish()
	remote := m.gateway(c2)
	local := m.gateway(c1)
	health := func(name string) error { return local.health(translate.EgressName(ports[name]), m.inbound(c2)) }
	for name := range ports {
		await(t, name+" is healthy", patience, func() error { return health(name) })
	}

	// c2 loses its endpoint, and c1 has not heard of it.
	m.export("vanishing", database, map[model.MemberName][]string{c2: nil})
	m.agents[c2].show(m.view(), m.listeners)
	dying.stop()
	const bound = 12 * time.Second
	t.Logf("figure: no endpoint behind the gateway: unhealthy after %v", unhealthy(t, bound, func() error { return health("vanishing") }))
	t.Logf("figure: a pod that refuses: unhealthy after about %v more", unhealthy(t, bound, func() error { return health("dying") }))
	if err := health("good"); err != nil {
		t.Errorf("a service that works: %v", err)
	}
	tcpHealthy(t, m, ports["vanishing"])

	dying.start()
	t.Logf("figure: a pod that accepts again: healthy after %v", await(t, "healing", bound, func() error { return health("dying") }).Round(100*time.Millisecond))

	remote.post("/healthcheck/fail")
	t.Logf("figure: a gateway that drains: unhealthy after %v", unhealthy(t, bound, func() error { return health("good") }))
	if told, err := greet(m.egress(c1, ports["good"])); err == nil && told != good.address {
		t.Errorf("told %q", told)
	}
	remote.post("/healthcheck/ok")
	await(t, "the gateway is back", bound, func() error { return health("good") })
}

// unhealthy waits until health is an error.
func unhealthy(t *testing.T, bound time.Duration, health func() error) time.Duration {
	t.Helper()
	return await(t, "unhealthy", bound, func() error {
		if health() == nil {
			return errors.New("it is healthy")
		}
		return nil
	}).Round(100 * time.Millisecond)
}

// tcpHealthy proves that a check by TCP or TLS would have found nothing.
func tcpHealthy(t *testing.T, m *mesh, port model.PortKey) {
	t.Helper()
	checking := peer{
		address: m.inbound(c2), sni: translate.InboundName(port), alpn: "istio",
		certificate: m.root.Intermediate(t, testca.Within(testca.TrustDomain)).Leaf(t, gatewayID(c1)).TLS(),
	}
	conn, err := checking.dial()
	if err != nil {
		t.Errorf("the handshake should work where there is no pod: %v", err)
		return
	}
	conn.Close()
}
