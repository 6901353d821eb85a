//go:build e2e

package agentfaults

import (
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reader is an account in a member with the rights of an agent.
type reader struct {
	cluster *cluster
	name    string
}

// readable are what an agent lists and watches in a member, without one resource.
func readable(without string) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, one := range []struct{ group, resource string }{
		{"", "services"},
		{"", "namespaces"},
		{"discovery.k8s.io", "endpointslices"},
		{"multicluster.x-k8s.io", "serviceexports"},
		{"net.gke.io", "serviceexports"},
	} {
		if one.resource != without {
			rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{one.group}, Resources: []string{one.resource}, Verbs: []string{"get", "list", "watch"}})
		}
	}
	return rules
}

func newReader(t *testing.T, c *cluster, name string) reader {
	t.Helper()
	r := reader{c, name}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: agentNamespace}}
	_, err := c.kube.CoreV1().ServiceAccounts(agentNamespace).Create(t.Context(), account, metav1.CreateOptions{})
	must(t, ignore(err, apierrors.IsAlreadyExists))
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err = c.kube.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{})
	must(t, ignore(err, apierrors.IsAlreadyExists))
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: agentNamespace}},
	}
	_, err = c.kube.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{})
	must(t, ignore(err, apierrors.IsAlreadyExists))
	r.allow(t, readable(""))
	return r
}

func ignore(err error, is func(error) bool) error {
	if is(err) {
		return nil
	}
	return err
}

// allow changes the account's rights.
func (r reader) allow(t *testing.T, rules []rbacv1.PolicyRule) {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: r.name}, Rules: rules}
	_, err := r.cluster.kube.RbacV1().ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{})
	must(t, err)
}

// token is a new credential of the account.
func (r reader) token(t *testing.T) string {
	t.Helper()
	made, err := r.cluster.kube.CoreV1().ServiceAccounts(agentNamespace).CreateToken(t.Context(), r.name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(t, err)
	return made.Status.Token
}

// revoke takes the account away, and every token of it.
func (r reader) revoke(t *testing.T) {
	t.Helper()
	must(t, r.cluster.kube.CoreV1().ServiceAccounts(agentNamespace).Delete(t.Context(), r.name, metav1.DeleteOptions{}))
}
