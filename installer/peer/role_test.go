package peer

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// TestTheAgentReadsImportsForIstiod, whatever that istiod is set to today: told
// tomorrow to take part in multi-cluster Services it would never sync.
func TestTheAgentReadsImportsForIstiod(t *testing.T) {
	t.Parallel()
	role, err := FacadeRules("east", Reader{Member: "east", Version: "1.31.0", MeshConfigMap: "istio"})
	if err != nil {
		t.Fatal(err)
	}
	reads := func(group, resource string) bool {
		return slices.ContainsFunc(role.ClusterWide, func(rule rbacv1.PolicyRule) bool {
			return slices.Contains(rule.APIGroups, group) && slices.Contains(rule.Resources, resource) && slices.Equal(rule.Verbs, read)
		})
	}
	if !reads("multicluster.x-k8s.io", "serviceimports") || !reads("multicluster.x-k8s.io", "serviceexports") || reads("", "secrets") {
		t.Errorf("rules %+v", role.ClusterWide)
	}
}
