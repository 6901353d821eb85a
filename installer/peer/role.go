package peer

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Role is what a reader needs on another member.
type Role struct {
	ClusterWide      []rbacv1.PolicyRule
	InIstioNamespace []rbacv1.PolicyRule
	// AtAccount are the rules in the namespace of the account itself.
	AtAccount []rbacv1.PolicyRule
	// ReadsSecrets is true where the role can read every Secret of the member.
	ReadsSecrets bool
}

// Reader describes the istiod a role is made for.
type Reader struct {
	// Member is its member's name, for messages.
	Member string
	// Version of Istio.
	Version string
	// MeshConfigMap is the ConfigMap it reads on every member, by its own revision.
	MeshConfigMap string
	// Env is the plain environment of its container.
	Env map[string]string
}

var read = []string{"get", "list", "watch"}

// SecretSwitch is the istiod setting that turns off the reading of remote
// Secrets. At 1.31 istiod panics with it, and older releases do not have it.
const SecretSwitch = "PILOT_ENABLE_REMOTE_CREDENTIALS_CONTROLLER"

// Rules computes the least role with which an istiod reports a member as
// synced. What a release lists and watches was taken from the audit log of a
// remote API server: docs/reference/istiod-remote-access.md.
//
// A default istiod also lists and watches all Secrets of a remote and never gets
// beyond "timeout" without that right. With noSecretRead that is a problem of
// kind Refused.
func Rules(reader Reader, noSecretRead bool) (Role, error) {
	role := Role{
		ClusterWide: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"namespaces", "nodes", "pods", "services"}, Verbs: read},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
			{APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, Verbs: read},
			{APIGroups: []string{"networking.istio.io"}, Resources: []string{"workloadentries"}, Verbs: read},
			// Watched only where the Gateway API is served, and from that moment on.
			{APIGroups: []string{"gateway.networking.k8s.io"}, Resources: []string{"gateways"}, Verbs: read},
		},
		InIstioNamespace: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{reader.MeshConfigMap}, Verbs: read},
		},
	}
	if reader.Env["ENABLE_MCS_SERVICE_DISCOVERY"] == "true" {
		group := reader.Env["MCS_API_GROUP"]
		if group == "" {
			group = "multicluster.x-k8s.io"
		}
		role.ClusterWide = append(role.ClusterWide, rbacv1.PolicyRule{
			APIGroups: []string{group}, Resources: []string{"serviceexports", "serviceimports"}, Verbs: read,
		})
	}
	if noSecretRead {
		return Role{}, problem.New(problem.Refused, "SecretReadNeeded",
			"its istiod %s never syncs with a remote cluster whose Secrets it cannot list", reader.Version).On(reader.Member).
			WithFix("leave out --no-secret-read, or wait for an Istio release in which %s=false works", SecretSwitch)
	}
	role.ReadsSecrets = true
	role.ClusterWide = append(role.ClusterWide, rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: read,
	})
	return role, nil
}
