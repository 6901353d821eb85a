//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// both are the links between c1 and c2.
var both = []string{"c1 -> c2", "c2 -> c1"}

// policyFaults are objects of the user in the namespace of the workloads.
func policyFaults() map[string]fault {
	return map[string]fault{
		"PeerAuthentication DISABLE": policy(2, `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: plain, namespace: policy}
spec: {mtls: {mode: DISABLE}}`,
			fault{check: "policy-peer-authentication", links: both, fix: "PERMISSIVE or STRICT"}),
		"DestinationRule with TLS disabled": policy(1, `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: plain, namespace: policy}
spec: {host: "*.policy.svc.cluster.local", trafficPolicy: {tls: {mode: DISABLE}}}`,
			fault{check: "policy-destination-rule", links: both, fix: "set trafficPolicy.tls.mode of DestinationRule policy/plain to ISTIO_MUTUAL"}),
		"deny-all AuthorizationPolicy": policy(2, `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: policy}
spec: {}`,
			fault{check: "policy-authorization", links: []string{"c1 -> c2", "c2 -> c2"}, fix: "AuthorizationPolicy policy/nobody"}),
		"Sidecar scope hiding the host": policy(1, `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: narrow, namespace: policy}
spec: {egress: [{hosts: ["istio-system/*"]}]}`,
			fault{check: "policy-sidecar", fix: "spec.egress.hosts of Sidecar policy/narrow"}),
	}
}

// policy is a fault by one object in one cluster.
func policy(i int, manifest string, f fault) fault {
	f.inject = func(t *testing.T) { apply(t, i, manifest) }
	f.undo = func(t *testing.T) { remove(t, i, manifest) }
	f.verify = []string{"--namespace", policyNamespace}
	f.hop, f.cluster = "policy", fmt.Sprintf("c%d", i)
	return f
}
