package chain

import (
	"fmt"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
)

func policyChecks() []Check {
	return []Check{
		{
			ID: "policy-sidecar", Hop: HopPolicy, Test: testSidecar,
			Claim: "no Sidecar object hides the Service from the consumer",
			Hint:  "spec.egress.hosts of Sidecars in the namespace and in the root namespace",
		},
		{
			ID: "policy-destination-rule", Hop: HopPolicy, Test: testRule,
			Claim: "no DestinationRule takes Istio's mutual TLS from the Service",
			Hint:  "without mutual TLS an endpoint behind a gateway is left out",
		},
		{
			ID: "policy-peer-authentication", Hop: HopPolicy, Test: testPeer,
			Claim: "mutual TLS is not switched off for the Service",
			Hint:  "PeerAuthentication mode DISABLE, on either side, removes the endpoint behind a gateway",
		},
		{
			ID: "policy-auto-mtls", Hop: HopPolicy, Test: testAuto,
			Claim: "the consumer's mesh uses mutual TLS by itself",
			Hint:  "meshConfig.enableAutoMtls",
		},
		{
			ID: "policy-cluster-local", Hop: HopPolicy, Test: testLocal,
			Claim: "the Service is not cluster-local in the consumer",
			Hint:  "meshConfig.serviceSettings[].settings.clusterLocal",
		},
		{
			ID: "policy-authorization", Hop: HopPolicy, Test: testAuthorization,
			Claim: "the producer's policy lets the consumer in",
			Hint:  "AuthorizationPolicies in the namespace and in the root namespace",
		},
	}
}

// root is the namespace from which a policy is mesh-wide on a side.
func (e End) root() string { return e.Facts.Mesh(e.Revision).RootNamespace }

// hidingSidecar is the Sidecar that keeps the Service from the consumer. The
// one of the pod's own namespace goes before the mesh's.
func (l Link) hidingSidecar() *facts.Sidecar {
	e := l.Consumer
	for _, namespace := range []string{e.Namespace, e.root()} {
		for _, specific := range []bool{true, false} {
			for _, s := range e.Facts.Sidecars {
				if s.Namespace != namespace || s.Selector.Empty() == specific || !s.Selector.Picks(sleepLabels()) {
					continue
				}
				if len(s.Egress) == 0 || sees(s, namespace, e.Namespace, l.Host) {
					return nil
				}
				return &s
			}
		}
	}
	return nil
}

// sleepLabels are those of the pod that calls; see package harness.
func sleepLabels() map[string]string { return map[string]string{"app": "sleep"} }

// sees says whether a Sidecar tells its proxies of a host in a namespace.
func sees(s facts.Sidecar, own, namespace, host string) bool {
	for _, egress := range s.Egress {
		for _, entry := range egress.Hosts {
			where, pattern, ok := strings.Cut(entry, "/")
			if !ok {
				continue
			}
			// "." is the namespace of the proxy; for the mesh-wide Sidecar
			// that is again the caller's.
			in := where == "*" || where == namespace || where == "."
			if in && where != "~" && matchHost(pattern, host) {
				return true
			}
		}
	}
	return false
}

func testSidecar(l Link) *Broken {
	if !l.View.Read || l.View.Known {
		return nil
	}
	s := l.hidingSidecar()
	if s == nil {
		return nil
	}
	var hosts []string
	for _, e := range s.Egress {
		hosts = append(hosts, e.Hosts...)
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Sidecar " + s.Object.String(), Final: true,
		Seen:     fmt.Sprintf("Sidecar %s hides %s from pods of %s: egress hosts %v", s.Object, l.Host, l.Consumer.Name, hosts),
		Evidence: []string{l.seenEndpoints()},
		Fix:      fmt.Sprintf("add \"./*\" (or the namespaces that are called) to spec.egress.hosts of Sidecar %s in %s", s.Object, l.Consumer.Name),
	}
}

// testRule looks at both sides: the producer's rules shape its gateway.
func testRule(l Link) *Broken {
	for _, e := range []End{l.Consumer, l.Producer} {
		for _, rule := range e.Facts.DestinationRules {
			mode := tlsOf(rule, l.Port)
			if mode == "" || mode == "ISTIO_MUTUAL" || !matchHost(rule.Host, l.Host) && !shortHost(rule, l) {
				continue
			}
			if e.Name == l.Consumer.Name && l.View.Known && l.View.Cluster.Rule != "" && l.View.Cluster.RuleName() != rule.Object.String() {
				continue // Envoy says that another rule is in force
			}
			return &Broken{
				Cluster: e.Name, Object: "DestinationRule " + rule.Object.String(), Final: true,
				Seen:     fmt.Sprintf("DestinationRule %s in %s sets TLS mode %s for host %s", rule.Object, e.Name, mode, rule.Host),
				Evidence: []string{l.seenEndpoints()},
				Fix: fmt.Sprintf("in %s set trafficPolicy.tls.mode of DestinationRule %s to ISTIO_MUTUAL, or leave it out",
					e.Name, rule.Object),
			}
		}
	}
	return nil
}

// shortHost says that a rule's host is a short name in its own namespace.
func shortHost(rule facts.DestinationRule, l Link) bool {
	return !strings.Contains(rule.Host, ".") && strings.HasPrefix(l.Host, rule.Host+"."+rule.Namespace+".")
}

// tlsOf is the mode a rule sets on a port; empty if it sets none.
func tlsOf(rule facts.DestinationRule, port int) string {
	for _, p := range rule.Policy.Ports {
		if p.Port.Number == port && p.TLS != nil {
			return p.TLS.Mode
		}
	}
	if rule.Policy.TLS != nil {
		return rule.Policy.TLS.Mode
	}
	return ""
}

func testPeer(l Link) *Broken {
	if l.Self() {
		return nil // without mutual TLS a pod of the same cluster still answers
	}
	for _, e := range []End{l.Consumer, l.Producer} {
		mode, policy := mutualTLS(e, l.Producer.Pod.Labels, l.Port)
		if mode != "DISABLE" {
			continue
		}
		return &Broken{
			Cluster: e.Name, Object: "PeerAuthentication " + policy.String(), Final: true,
			Seen:     fmt.Sprintf("PeerAuthentication %s in %s switches mutual TLS off, without which no gateway can forward", policy, e.Name),
			Evidence: []string{l.seenEndpoints()},
			Fix:      fmt.Sprintf("in %s set the mode of PeerAuthentication %s to PERMISSIVE or STRICT, or delete it", e.Name, policy),
		}
	}
	return nil
}

// mutualTLS is the mode in force for a pod, and the policy that says so: that
// of the workload, else of the namespace, else of the mesh.
func mutualTLS(e End, labels map[string]string, port int) (string, facts.Object) {
	workload := func(p facts.PeerAuthentication) bool {
		return p.Namespace == e.Namespace && !p.Selector.Empty() && p.Selector.Picks(labels)
	}
	namespace := func(p facts.PeerAuthentication) bool { return p.Namespace == e.Namespace && p.Selector.Empty() }
	mesh := func(p facts.PeerAuthentication) bool { return p.Namespace == e.root() && p.Selector.Empty() }
	for _, scope := range []func(facts.PeerAuthentication) bool{workload, namespace, mesh} {
		for _, p := range e.Facts.PeerAuthentications {
			if !scope(p) {
				continue
			}
			mode := p.MTLS.Mode
			if m, ok := p.Ports[fmt.Sprint(port)]; ok {
				mode = m.Mode
			}
			if mode != "" && mode != "UNSET" {
				return mode, p.Object
			}
		}
	}
	return "", facts.Object{}
}

func testAuto(l Link) *Broken {
	if l.Self() || len(l.endpoints()) > 0 || l.Consumer.Facts.Mesh(l.Consumer.Revision).AutoMTLS {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Seen: "meshConfig.enableAutoMtls is false, so endpoints behind a gateway are left out", Final: true,
		Evidence: []string{l.seenEndpoints()},
		Fix:      fmt.Sprintf("set meshConfig.enableAutoMtls=true in %s", l.Consumer.Name),
	}
}

func testLocal(l Link) *Broken {
	if l.Self() || len(l.endpoints()) > 0 {
		return nil
	}
	for _, pattern := range l.Consumer.Facts.Mesh(l.Consumer.Revision).ClusterLocal {
		if matchHost(pattern, l.Host) {
			return &Broken{
				Cluster: l.Consumer.Name, Seen: fmt.Sprintf("meshConfig.serviceSettings makes %s cluster-local in %s", pattern, l.Consumer.Name), Final: true,
				Evidence: []string{l.seenEndpoints()},
				Fix:      fmt.Sprintf("take %s out of meshConfig.serviceSettings in %s", pattern, l.Consumer.Name),
			}
		}
	}
	return nil
}
