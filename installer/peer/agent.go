package peer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// AgentRules is the role of a consumer's agent: what it watches, and new tokens for its
// own account. It never reads Secrets, and so it may not ask for a token of the account
// of the consumer's istiod, which does.
func AgentRules(consumer string) Role {
	return Role{
		ClusterWide: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"namespaces", "services"}, Verbs: read},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
			{APIGroups: []string{"multicluster.x-k8s.io"}, Resources: []string{"serviceexports"}, Verbs: read},
			{APIGroups: []string{"net.gke.io"}, Resources: []string{"serviceexports"}, Verbs: read},
		},
		AtAccount: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"},
			ResourceNames: []string{Account{Reader: Agent, Consumer: consumer}.name()},
		}},
	}
}

// FacadeRules are the rights that the agent needs besides, where it answers istiod
// in the place of the producer: what that istiod lists, but for Secrets.
func FacadeRules(consumer string, reader Reader) (Role, error) {
	istiod, err := Rules(reader, false)
	if err != nil {
		return Role{}, err
	}
	role := AgentRules(consumer)
	// An istiod that is told later to take part in multi-cluster Services never syncs
	// without this right, and nobody would think of running create-mesh again.
	role.ClusterWide = append(role.ClusterWide, rbacv1.PolicyRule{
		APIGroups: []string{"multicluster.x-k8s.io"}, Resources: []string{"serviceimports"}, Verbs: read,
	})
	role.InIstioNamespace = istiod.InIstioNamespace
	for _, rule := range istiod.ClusterWide {
		rule.Resources = slices.DeleteFunc(slices.Clone(rule.Resources), func(resource string) bool { return resource == "secrets" })
		if len(rule.Resources) > 0 {
			role.ClusterWide = append(role.ClusterWide, rule)
		}
	}
	return role, nil
}

// MemberSet is the name of the ApplySet of a producer's record in a consumer.
func MemberSet(producer string) string { return v1alpha1.MemberSecret(producer) }

// Member is the record of one producer for the agent of one consumer.
type Member struct {
	Consumer string
	Record   v1alpha1.MemberRecord
	// Kubeconfig is the credential.
	Kubeconfig []byte
	// Token describes it.
	Token Token
	// Gateways are the objects with the producer's advertised addresses, which the
	// agent restores, as a JSON list; nil where there are none.
	Gateways []byte
}

// SecretName is the name of the record's Secret.
func (m Member) SecretName() string { return MemberSet(m.Record.Name) }

// Object is the Secret.
func (m Member) Object() (*unstructured.Unstructured, error) {
	m.Record.APIVersion, m.Record.Kind = v1alpha1.APIVersion, v1alpha1.KindMemberRecord
	record, err := yaml.Marshal(m.Record)
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{TokenKindAnnotation: string(m.Token.Kind)}
	if !m.Token.Expiry.IsZero() {
		annotations[TokenExpiryAnnotation] = m.Token.Expiry.UTC().Format(timeLayout)
	}
	name := m.Record.Name
	data := map[string][]byte{name + v1alpha1.RecordSuffix: record, name + v1alpha1.KubeconfigSuffix: m.Kubeconfig}
	if m.Gateways != nil {
		data[name+v1alpha1.GatewaysSuffix] = m.Gateways
	}
	objects, err := toUnstructured([]runtime.Object{&corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Name: m.SecretName(), Namespace: AccountNamespace,
			Labels: map[string]string{
				v1alpha1.LabelMember: "true", ConsumerLabel: m.Consumer, ProducerLabel: name,
			},
			Annotations: annotations,
		},
		Data: data,
		Type: corev1.SecretTypeOpaque,
	}})
	if err != nil {
		return nil, err
	}
	return objects[0], nil
}

// KubeconfigOf is the credential for a producer in a member's Secret.
func KubeconfigOf(secret *corev1.Secret, producer string) []byte {
	return secret.Data[producer+v1alpha1.KubeconfigSuffix]
}
