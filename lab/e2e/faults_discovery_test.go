//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// discoveryFaults keep c1 from learning of c2. Their fix is the one that the
// finding names: another create-mesh.
func discoveryFaults() map[string]fault {
	rejoin := func(t *testing.T) { must(t, join([]string{"create-mesh", "--accept-merge"}, members(1, 2))...) }
	return map[string]fault{
		"remote secret missing on one side": {
			inject: func(t *testing.T) {
				kubectl(t, 1, "-n", "istio-system", "delete", "secret", "istio-remote-secret-c2")
			},
			undo:  rejoin,
			check: "discovery-secret", hop: "discovery", cluster: "c1", fix: "eastwest create-mesh", status: "missing",
		},
		"token revoked": {
			inject: func(t *testing.T) {
				kubectl(t, 2, "-n", "eastwest-system", "delete", "serviceaccount", "istiod-c1")
			},
			undo:  rejoin,
			check: "discovery-token", hop: "discovery", cluster: "c1", fix: "eastwest create-mesh", status: "rejected",
			evidence: "traffic still works", works: true,
		},
		"API server unreachable from the peer after syncing": {
			inject: func(t *testing.T) {
				firewall(t, 2, fmt.Sprintf("ip saddr %s tcp dport 6443", cluster(1).NodeIP))
			},
			undo:  func(t *testing.T) { closeFirewall(t, 2) },
			check: "discovery-api", hop: "discovery", cluster: "c1", fix: "open the way", status: "unreachable",
			evidence: "traffic still works",
		},
	}
}
