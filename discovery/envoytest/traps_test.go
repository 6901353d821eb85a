//go:build envoy

package envoytest

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// TestNoPodIsDialledBeforeTheHandshake is about tcp_proxy, which by default dials
// for anybody as soon as a connection is there.
func TestNoPodIsDialledBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	f := newFortress(t)
	f.letIn(t)
	before := f.quiet()
	for name, certificate := range map[string]*tls.Certificate{
		"without a certificate": {}, "with a foreign one": testca.Root(t).Leaf(t, gatewayID(c1)).TLS(),
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			stranger := f.friend
			stranger.certificate, stranger.version = certificate, version
			for range 10 {
				if err := refused(stranger.greet()); err != nil {
					t.Errorf("a peer %s: %v", name, err)
				}
			}
		}
	}
	// A peer that begins and does not go on.
	if told, err := say(f.friend.address, hello(t, f.friend.config())); told == "" {
		t.Errorf("a ClientHello had no answer: %v", err)
	}
	f.untouched(t, before)
	f.letIn(t)
}

// TestServerNamesReachNothingElse asks by SNI, as an admitted peer, for what the
// gateway has besides services: every cluster of an Envoy is within its reach.
func TestServerNamesReachNothingElse(t *testing.T) {
	t.Parallel()
	f := newFortress(t)
	f.letIn(t)
	for _, sni := range []string{
		"xds", "admin", "gateway|c1", "egress|5432|db.sample", "egress|5432|db.sample.svc.cluster.local",
		"xds.svc.cluster.local", "db.sample.svc.cluster.local", "eastwest-gateway.eastwest-system.svc.cluster.local",
	} {
		for _, alpn := range append(dialects, "") {
			t.Run(sni+" "+alpn, func(t *testing.T) {
				before := f.quiet()
				asking := f.friend
				asking.sni, asking.alpn = sni, alpn
				switch alpn {
				case "mesh-h2":
					unanswered(t, asking, http.MethodGet, "/config_dump")
				case "mesh-hc":
					unanswered(t, asking, http.MethodPost, "/connect")
				default:
					if err := refused(asking.greet()); err != nil {
						t.Error(err)
					}
				}
				f.untouched(t, before)
			})
		}
	}
	f.letIn(t)
}

// TestHeadersReachNothingElse sends the header by which requests are routed inside
// the gateway.
func TestHeadersReachNothingElse(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	server := m.webPod(c2)
	web := m.export("web", requests, map[model.MemberName][]string{c2: {server.address}})
	m.publish()
	m.gateway(c2)
	from := peer{
		address: m.inbound(c2), sni: translate.InboundName(web), alpn: "mesh-h2",
		certificate: m.root.Intermediate(t).Leaf(t, gatewayID(c1)).TLS(),
	}
	status, body, err := from.request(http.MethodGet, "/config_dump", map[string]string{"x-sni": "admin"})
	if status != http.StatusOK || body != server.address || err != nil {
		t.Errorf("the pod of the SNI was meant, got %d %.100q %v", status, body, err)
	}
	from.sni = strings.Replace(from.sni, "80", "81", 1)
	unanswered(t, from, http.MethodGet, "/config_dump", "admin")
	from.alpn = "mesh-hc"
	unanswered(t, from, http.MethodPost, "/connect", "admin")
}

// unanswered fails where a request of a peer is served.
func unanswered(t *testing.T, from peer, method, path string, sniHeader ...string) {
	t.Helper()
	headers := map[string]string{}
	for _, one := range sniHeader {
		headers["x-sni"] = one
	}
	status, body, err := from.request(method, path, headers)
	if err == nil && status != http.StatusServiceUnavailable && status != http.StatusNotFound {
		t.Errorf("%s %s: got %d %.100q", method, path, status, body)
	}
}

// TestServerFirstServiceTellsDeniedPeersNothing has a service that admits c3 only,
// and whose pods speak first.
func TestServerFirstServiceTellsDeniedPeersNothing(t *testing.T) {
	t.Parallel()
	f := newFortress(t)
	f.join(c3)
	f.publish()
	f.agents[c2].set(func(a *agent) {
		a.clients = map[model.ServiceKey][]string{{Namespace: "sample", Name: "db"}: {gatewayID(c3)}}
	})
	await(t, "the narrower list", patience, f.agents[c2].settled)
	chosen := f.friend
	chosen.certificate = f.signer.Leaf(t, gatewayID(c3)).TLS()
	await(t, "the member on the list is let in", patience, func() error {
		_, err := chosen.greet()
		return err
	})
	await(t, "the other one is not", patience, func() error { return refused(f.friend.greet()) })
	before, denied := f.quiet(), f.gateway.counters()["listener.in.ssl.fail_verify_san"]
	for _, alpn := range append(dialects, "", "h2") {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			asking := f.friend
			asking.alpn, asking.version = alpn, version
			if err := refused(asking.greet()); err != nil {
				t.Errorf("%q: %v", alpn, err)
			}
		}
	}
	f.untouched(t, before)
	if after := f.gateway.counters()["listener.in.ssl.fail_verify_san"]; after != denied+10 {
		t.Errorf("%d of 10 were denied by their identity", after-denied)
	}
	if told, err := chosen.greet(); told != f.pod.address {
		t.Errorf("the member on the list was told %q: %v", told, err)
	}
}

// TestChangedClusterWarmsAtOnce changes the clusters of all services under
// traffic. Envoy would wait 15 s for endpoints that it has, and hold back all
// clusters until then.
func TestChangedClusterWarmsAtOnce(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	local, remote := m.pod(c1), m.pod(c2)
	both := map[model.MemberName][]string{c1: {local.address}, c2: {remote.address}}
	at := m.egress(c1, m.export("db", database, both))
	m.publish()
	m.gateway(c2)
	g := m.gateway(c1)
	staying := open(t, at, remote)
	prober := probe(t, func() (string, error) { return greet(at) })
	updates := g.counters()["cluster_manager.cluster_modified"]
	for _, budget := range []int{0, 1000, 0, 1000} {
		m.agents[c1].set(func(a *agent) { a.budget = budget })
		took := await(t, "the changed cluster is warm", 3*time.Second, func() error {
			counters := g.counters()
			if got := counters["cluster_manager.cluster_modified"]; got <= updates {
				return fmt.Errorf("%d clusters were modified", got)
			}
			if warming := counters["cluster_manager.warming_clusters"]; warming > 0 {
				return fmt.Errorf("%d clusters are warming", warming)
			}
			return m.agents[c1].settled()
		})
		updates = g.counters()["cluster_manager.cluster_modified"]
		t.Logf("figure: warm after %v", took.Round(time.Millisecond))
	}
	added := m.export("added", database, both)
	m.publish()
	t.Logf("figure: a new service is reached after %v", await(t, "a new service", 3*time.Second, func() error {
		_, err := greet(m.egress(c1, added))
		return err
	}).Round(time.Millisecond))
	counts, failed := prober.stop()
	if len(failed) > 0 {
		t.Errorf("%d connections failed beside %v, the first: %v", len(failed), counts, failed[0])
	}
	if err := staying.echo(); err != nil {
		t.Errorf("the open connection: %v", err)
	}
}

// TestRemovedEndpointGetsNothingNew removes healthy endpoints. Envoy would use
// them until a check of theirs fails.
func TestRemovedEndpointGetsNothingNew(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	local, other, remote := m.pod(c1), m.pod(c1), m.pod(c2)
	at := m.egress(c1, m.export("db", database, map[model.MemberName][]string{c1: {local.address, other.address}, c2: {remote.address}}))
	m.publish()
	m.gateway(c2)
	m.gateway(c1)
	toRemote, toOther := open(t, at, remote), open(t, at, other)
	for name, tc := range map[string]struct {
		left    map[model.MemberName][]string
		removed *pod
	}{
		"the remote gateway": {map[model.MemberName][]string{c1: {local.address, other.address}, c2: nil}, remote},
		"a local pod":        {map[model.MemberName][]string{c1: {local.address}, c2: nil}, other},
	} {
		m.export("db", database, tc.left)
		// c2 goes on to serve: only what c1 knows is under test.
		m.agents[c1].show(m.view(), m.listeners)
		took := await(t, "nothing new for "+name, 2*time.Second, func() error {
			if counts := shares(20, func() (string, error) { return greet(at) }); counts[tc.removed.address]+counts["error"] > 0 {
				return fmt.Errorf("got %v", counts)
			}
			return nil
		})
		t.Logf("figure: %s: 20 connections went elsewhere within %v", name, took.Round(time.Millisecond))
	}
	for _, one := range []*session{toRemote, toOther} {
		if err := one.echo(); err != nil {
			t.Errorf("the open connection to %s: %v", one.pod, err)
		}
	}
}
