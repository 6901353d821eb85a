//go:build envoy

package envoytest

import (
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// roll gives every member's authority other files.
func (p *pair) roll(t *testing.T, files func() map[string][]byte) {
	t.Helper()
	before := map[model.MemberName]time.Time{}
	for name, agent := range p.agents {
		before[name] = agent.gateway.Pair().Issued
		testca.Write(t, agent.folder, files())
	}
	for name, agent := range p.agents {
		await(t, "a new certificate of "+string(name), patience, func() error {
			if agent.gateway.Pair().Issued.Equal(before[name]) {
				return fmt.Errorf("it is that of %v", before[name])
			}
			return agent.settled()
		})
		p.gateways[name].mount()
	}
}

// served is the chain that the gateway of c2 shows.
func (p *pair) served(t *testing.T, certificate *testca.Signer) []*x509.Certificate {
	t.Helper()
	asking := peer{address: p.inbound(c2), sni: translate.InboundName(p.port), alpn: dialects[0], certificate: certificate.TLS()}
	conn, err := asking.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates
}

// TestCertificatesAndRootsRotate moves the mesh from one root to another in the
// usual three steps, under traffic and with connections open across gateways.
func TestCertificatesAndRootsRotate(t *testing.T) {
	t.Parallel()
	p := newPair(t, database)
	staying := open(t, p.at, p.remote)
	prober := probe(t, p.connect)
	// Checks keep connections open; what dials anew is the traffic.
	old, next := p.root, testca.Root(t)
	before := p.served(t, old.Intermediate(t).Leaf(t, gatewayID(c1)))[0]

	for _, step := range []struct {
		name  string
		files func() map[string][]byte
		// trusted is the root that leads to what gateways show.
		trusted *testca.Signer
	}{
		{"a certificate is renewed", func() map[string][]byte { return old.Intermediate(t).Files(t) }, old},
		{"the new root is trusted, too", func() map[string][]byte { return old.Intermediate(t).Files(t, old, next) }, old},
		{"the new root issues", func() map[string][]byte { return next.Intermediate(t).Files(t, old, next) }, next},
		{"the old root is gone", func() map[string][]byte { return next.Intermediate(t).Files(t, next) }, next},
	} {
		began := time.Now()
		p.roll(t, step.files)
		client := step.trusted.Intermediate(t).Leaf(t, gatewayID(c1))
		await(t, step.name+": it is shown", patience, func() error {
			chain := p.served(t, client)
			if chain[0].Equal(before) {
				return fmt.Errorf("certificate %v of before", chain[0].SerialNumber)
			}
			before = chain[0]
			return verify(chain, step.trusted)
		})
		t.Logf("figure: %s: shown after %v", step.name, time.Since(began).Round(time.Millisecond))
		if err := staying.echo(); err != nil {
			t.Errorf("%s: the open connection: %v", step.name, err)
		}
		counts, failed := prober.take()
		t.Logf("figure: %s: %v, %d failed", step.name, counts, len(failed))
		if len(failed) > 0 {
			t.Errorf("%s: %d connections failed, the first: %v", step.name, len(failed), failed[0])
		}
		await(t, step.name+": both members are reached", patience, func() error {
			return missing(shares(20, p.connect), p.local, p.remote)
		})
	}
	stale := peer{
		address: p.inbound(c2), sni: translate.InboundName(p.port), alpn: dialects[0],
		certificate: old.Intermediate(t).Leaf(t, gatewayID(c1)).TLS(),
	}
	if err := refused(stale.greet()); err != nil {
		t.Errorf("a certificate of the old root: %v", err)
	}
	// What a gateway knows before it asks has moved, too.
	p.agents[c2].kill()
	p.agents[c2].start()
	t.Logf("figure: the gateway is back at its agent after %v", await(t, "the gateway is back", 20*time.Second, p.agents[c2].settled).Round(time.Millisecond))
	if err := staying.echo(); err != nil {
		t.Errorf("the open connection: %v", err)
	}
}

func verify(chain []*x509.Certificate, root *testca.Signer) error {
	between := x509.NewCertPool()
	for _, one := range chain[1:] {
		between.AddCert(one)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: root.Pool(), Intermediates: between})
	return err
}

// TestMemberJoins lets a third member in, whom the inbound listener refused until
// then, while others have connections open.
func TestMemberJoins(t *testing.T) {
	t.Parallel()
	p := newPair(t, database)
	staying := open(t, p.at, p.remote)
	prober := probe(t, p.connect)
	newcomer := peer{
		address: p.inbound(c2), sni: translate.InboundName(p.port), alpn: dialects[0],
		certificate: p.root.Intermediate(t).Leaf(t, gatewayID(c3)).TLS(),
	}
	if err := refused(newcomer.greet()); err != nil {
		t.Fatalf("before it joins: %v", err)
	}
	listener := []string{"listener_manager.listener_modified", "listener_manager.listener_in_place_updated", "listener_manager.total_listeners_draining"}
	counters := p.gateways[c2].counters()
	p.join(c3)
	p.publish()
	t.Logf("figure: let in after %v", await(t, "the newcomer is let in", patience, func() error {
		_, err := newcomer.greet()
		return err
	}).Round(time.Millisecond))
	await(t, "the gateway has all there is", patience, p.agents[c2].settled)
	after := p.gateways[c2].counters()
	for _, name := range listener {
		if after[name] != counters[name] {
			t.Errorf("%s rose from %d to %d: chains that change cut what is open", name, counters[name], after[name])
		}
	}
	// It leaves again.
	delete(p.members, c3)
	p.publish()
	await(t, "who left is refused", patience, func() error { return refused(newcomer.greet()) })
	if err := staying.echo(); err != nil {
		t.Errorf("the open connection: %v", err)
	}
	if counts, failed := prober.stop(); len(failed) > 0 {
		t.Errorf("%d connections failed beside %v, the first: %v", len(failed), counts, failed[0])
	}
}
