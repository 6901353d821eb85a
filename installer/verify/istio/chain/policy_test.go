package chain_test

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
)

func object(namespace, name string) facts.Object {
	return facts.Object{Namespace: namespace, Name: name}
}

func sidecar(namespace string, hosts ...string) facts.Sidecar {
	s := facts.Sidecar{Object: object(namespace, "default")}
	s.Egress = append(s.Egress, struct {
		Hosts []string `json:"hosts"`
	}{hosts})
	return s
}

func peer(namespace, mode string) facts.PeerAuthentication {
	return facts.PeerAuthentication{Object: object(namespace, "default"), MTLS: facts.Mode{Mode: mode}}
}

func rule(namespace, host, mode string) facts.DestinationRule {
	return facts.DestinationRule{
		Object: object(namespace, "plain"), Host: host, Policy: facts.TrafficPolicy{TLS: &facts.Mode{Mode: mode}},
	}
}

// hidden is a Service that Envoy was not told of.
func hidden(l *chain.Link, sidecars ...facts.Sidecar) {
	nothing(l)
	l.View.Known = false
	l.Consumer.Facts.Sidecars = sidecars
}

func TestSidecarsAndRules(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"a mesh-wide Sidecar hides the host": {
			func(l *chain.Link) { hidden(l, sidecar("istio-system", "istio-system/*")) }, verdict{"policy-sidecar", "east", true},
		},
		"a Sidecar of the namespace hides the host": {
			func(l *chain.Link) { hidden(l, sidecar("sample", "~/*")) }, verdict{"policy-sidecar", "east", true},
		},
		"a Sidecar of the namespace lets it through over the mesh's": {
			func(l *chain.Link) { hidden(l, sidecar("istio-system", "~/*"), sidecar("sample", "./*")) }, verdict{"name-known", "east", false},
		},
		"a Sidecar of another namespace": {
			func(l *chain.Link) { hidden(l, sidecar("shop", "~/*")) }, verdict{"name-known", "east", false},
		},
		"mesh-wide DestinationRule without TLS in the consumer": {
			func(l *chain.Link) {
				nothing(l)
				l.Consumer.Facts.DestinationRules = []facts.DestinationRule{rule("istio-system", "*.local", "DISABLE")}
			}, verdict{"policy-destination-rule", "east", true},
		},
		"DestinationRule by short name in the namespace": {
			func(l *chain.Link) {
				nothing(l)
				l.Consumer.Facts.DestinationRules = []facts.DestinationRule{rule("sample", "link-west", "SIMPLE")}
			}, verdict{"policy-destination-rule", "east", true},
		},
		"DestinationRule of the producer empties its gateway": {
			func(l *chain.Link) {
				l.Passthrough.Endpoints = nil
				l.Producer.Facts.DestinationRules = []facts.DestinationRule{rule("istio-system", "*.local", "DISABLE")}
			}, verdict{"policy-destination-rule", "west", true},
		},
		"a DestinationRule that Envoy does not use": {
			func(l *chain.Link) {
				l.View.Cluster.Rule = "/apis/networking.istio.io/v1/namespaces/sample/destination-rule/mutual"
				l.Consumer.Facts.DestinationRules = []facts.DestinationRule{rule("istio-system", "*.local", "DISABLE")}
			}, verdict{"producer-answers", "west", false},
		},
		"DestinationRules that do no harm": {
			func(l *chain.Link) {
				l.Consumer.Facts.DestinationRules = []facts.DestinationRule{
					rule("istio-system", "*.local", "ISTIO_MUTUAL"), rule("istio-system", "*.shop.svc.cluster.local", "DISABLE"), {Host: "*"},
				}
			}, verdict{"producer-answers", "west", false},
		},
	})
}

func TestMutualTLSOff(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"mutual TLS off in the consumer's mesh": {
			func(l *chain.Link) {
				nothing(l)
				l.Consumer.Facts.PeerAuthentications = []facts.PeerAuthentication{peer("istio-system", "DISABLE")}
			}, verdict{"policy-peer-authentication", "east", true},
		},
		"mutual TLS off in the producer's namespace": {
			func(l *chain.Link) {
				l.Passthrough.Endpoints = nil
				l.Producer.Facts.PeerAuthentications = []facts.PeerAuthentication{peer("istio-system", "STRICT"), peer("sample", "DISABLE")}
			}, verdict{"policy-peer-authentication", "west", true},
		},
		"mutual TLS off on the port of the workload": {
			func(l *chain.Link) {
				p := peer("sample", "STRICT")
				p.Selector.MatchLabels = map[string]string{"app": "helloworld"}
				p.Ports = map[string]facts.Mode{"5000": {Mode: "DISABLE"}}
				l.Producer.Facts.PeerAuthentications = []facts.PeerAuthentication{p}
			}, verdict{"policy-peer-authentication", "west", true},
		},
		"mutual TLS off in the mesh but on in the namespace": {
			func(l *chain.Link) {
				l.Producer.Facts.PeerAuthentications = []facts.PeerAuthentication{peer("istio-system", "DISABLE"), peer("sample", "STRICT")}
			}, verdict{"producer-answers", "west", false},
		},
		"no automatic mutual TLS": {
			func(l *chain.Link) {
				nothing(l)
				l.Consumer.Facts.Meshes["rev"] = facts.Mesh{RootNamespace: "istio-system"}
			}, verdict{"policy-auto-mtls", "east", true},
		},
		"cluster-local services": {
			func(l *chain.Link) {
				nothing(l)
				l.Consumer.Facts.Meshes["rev"] = facts.Mesh{AutoMTLS: true, ClusterLocal: []string{"*"}}
			}, verdict{"policy-cluster-local", "east", true},
		},
	})
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"an AuthorizationPolicy that allows nothing": {
			func(l *chain.Link) {
				l.Producer.Facts.AuthorizationPolicies = []facts.AuthorizationPolicy{{Object: object("istio-system", "deny-all")}}
			}, verdict{"policy-authorization", "west", true},
		},
		"an AuthorizationPolicy that denies some, and refusals were counted": {
			func(l *chain.Link) {
				l.Producer.Facts.AuthorizationPolicies = []facts.AuthorizationPolicy{{
					Object: object("sample", "some"), Action: "DENY", Rules: []map[string]any{{"from": "x"}},
				}}
				l.Producer.Stats = envoy.Stats{"tcp.rbac.denied": 3}
			}, verdict{"policy-authorization", "west", true},
		},
		"AuthorizationPolicies that are not meant": {
			func(l *chain.Link) {
				other := facts.AuthorizationPolicy{Object: object("sample", "other")}
				other.Selector.MatchLabels = map[string]string{"app": "other"}
				l.Producer.Facts.AuthorizationPolicies = []facts.AuthorizationPolicy{
					other, {Object: object("shop", "deny-all")}, {Object: object("sample", "waypoint"), Targets: []map[string]any{{}}},
				}
			}, verdict{"producer-answers", "west", false},
		},
	})
}
