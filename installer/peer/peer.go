// Package peer makes, rotates and revokes the credentials by which one member
// reads another member's API server: on the producer one account per consumer
// and reader (its istiod, its agent) with the least role that the reader works
// with; in the consumer one Secret per producer, for istiod in the form that
// istiod, istioctl and asmcli know, for the agent as a member's record.
//
// It renders objects and reads tokens; applying them is its callers' work. It
// does not know which pairs are wanted.
package peer

import (
	"crypto/sha256"
	"encoding/hex"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// Labels of the objects of a link, for people and for finding leftovers.
const (
	ConsumerLabel = "eastwest.dev/consumer"
	ProducerLabel = v1alpha1.LabelProducer
)

// AccountNamespace holds the accounts of consumers on a producer.
const AccountNamespace = v1alpha1.AgentNamespace

// ReaderKind is who reads in a consumer.
type ReaderKind string

// The readers.
const (
	Istiod ReaderKind = "istiod"
	Agent  ReaderKind = "agent"
)

// Account is the identity of one consumer's reader on one producer.
type Account struct {
	// Reader defaults to Istiod.
	Reader ReaderKind
	// Consumer and Producer are member names.
	Consumer, Producer string
	// IstioNamespace is istiod's namespace on the producer; empty where its role
	// has no rules there.
	IstioNamespace string
	// Role is what the reader may do; see Rules and AgentRules.
	Role Role
	// LongLived asks for a service-account token Secret; false where tokens are
	// requested with a bounded life.
	LongLived bool
}

// name is the name of every object of the account. Member names are DNS labels,
// so it is a valid object name, though it may be longer than a label.
func (a Account) name() string {
	if a.Reader == "" {
		return string(Istiod) + "-" + a.Consumer
	}
	return string(a.Reader) + "-" + a.Consumer
}

// ServiceAccount is the name of the account.
func (a Account) ServiceAccount() string { return a.name() }

// TokenSecret is the name of the Secret that holds a long-lived token.
func (a Account) TokenSecret() string { return a.name() + "-token" }

// Set is the name of the account's ApplySet on the producer.
func (a Account) Set() string {
	if a.Reader == Agent {
		return AgentAccountSet(a.Consumer)
	}
	return AccountSet(a.Consumer)
}

// AccountSet is the name of the ApplySet of a consumer's account on a producer.
func AccountSet(consumer string) string { return "account-" + consumer }

// AgentAccountSet is the name of the ApplySet of the account of a consumer's
// agent on a producer.
func AgentAccountSet(consumer string) string { return "agent-account-" + consumer }

// RemoteSet is the name of the ApplySet of a producer's remote secret in a consumer.
func RemoteSet(producer string) string { return "remote-" + producer }

// Objects are the account, its roles and its token Secret.
func (a Account) Objects() ([]*unstructured.Unstructured, error) {
	clusterWide := "eastwest-" + a.name()
	labels := map[string]string{ConsumerLabel: a.Consumer, ProducerLabel: a.Producer}
	subject := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: a.name(), Namespace: AccountNamespace}}
	ref := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	typed := []runtime.Object{
		&corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: metav1.ObjectMeta{Name: a.name(), Namespace: AccountNamespace, Labels: labels},
		},
		&rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: clusterWide, Labels: labels},
			Rules:      a.Role.ClusterWide,
		},
		&rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: clusterWide, Labels: labels},
			Subjects:   subject, RoleRef: ref("ClusterRole", clusterWide),
		},
	}
	for _, local := range []struct {
		namespace string
		rules     []rbacv1.PolicyRule
	}{{a.IstioNamespace, a.Role.InIstioNamespace}, {AccountNamespace, a.Role.AtAccount}} {
		if len(local.rules) == 0 {
			continue
		}
		typed = append(typed, &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: clusterWide, Namespace: local.namespace, Labels: labels},
			Rules:      local.rules,
		}, &rbacv1.RoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: clusterWide, Namespace: local.namespace, Labels: labels},
			Subjects:   subject, RoleRef: ref("Role", clusterWide),
		})
	}
	if a.LongLived {
		typed = append(typed, &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{
				Name: a.TokenSecret(), Namespace: AccountNamespace, Labels: labels,
				Annotations: map[string]string{corev1.ServiceAccountNameKey: a.name()},
			},
			Type: corev1.SecretTypeServiceAccountToken,
		})
	}
	return toUnstructured(typed)
}

// Labels and annotations of remote secrets.
// Source: istio.io/istio/istioctl/pkg/multicluster/remote_secret.go.
const (
	remoteSecretPrefix    = "istio-remote-secret-"
	multiClusterLabel     = "istio/multiCluster"
	clusterNameAnnotation = "networking.istio.io/cluster"
)

// Annotations of ours on remote secrets, read back by status.
const (
	TokenKindAnnotation   = "eastwest.dev/token-kind"
	TokenExpiryAnnotation = "eastwest.dev/token-expiry"
	UIDAnnotation         = "eastwest.dev/cluster-uid"
)

// Remote is the remote secret of one producer in one consumer.
type Remote struct {
	// Name of the Secret.
	Name               string
	Consumer, Producer string
	// ClusterID of the producer: the key in the secret.
	ClusterID string
	// UID of the producer's namespace kube-system.
	UID string
	// Namespace of the consumer's istiod.
	Namespace string
	// Kubeconfig is the credential.
	Kubeconfig []byte
	// Token describes it.
	Token Token
	// Facade is true where it leads to the local agent.
	Facade bool
}

// SecretName is the name istioctl would give, or one from the member's name
// where the cluster ID is no valid object name.
func SecretName(clusterID, member string) string {
	name := remoteSecretPrefix + clusterID
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		return remoteSecretPrefix + member
	}
	return name
}

// Object is the Secret.
func (r Remote) Object() (*unstructured.Unstructured, error) {
	annotations := map[string]string{
		clusterNameAnnotation: r.ClusterID,
		TokenKindAnnotation:   string(r.Token.Kind),
		UIDAnnotation:         r.UID,
	}
	if r.Facade {
		annotations[v1alpha1.AnnotationFacade] = "true"
	}
	if !r.Token.Expiry.IsZero() {
		annotations[TokenExpiryAnnotation] = r.Token.Expiry.UTC().Format(timeLayout)
	}
	objects, err := toUnstructured([]runtime.Object{&corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Name: r.Name, Namespace: r.Namespace,
			Labels: map[string]string{
				multiClusterLabel: "true", ConsumerLabel: r.Consumer, ProducerLabel: r.Producer,
			},
			Annotations: annotations,
		},
		Data: map[string][]byte{r.ClusterID: r.Kubeconfig},
		Type: corev1.SecretTypeOpaque,
	}})
	if err != nil {
		return nil, err
	}
	return objects[0], nil
}

// Hash identifies a credential without showing it.
func Hash(kubeconfig []byte) string {
	sum := sha256.Sum256(kubeconfig)
	return hex.EncodeToString(sum[:6])
}

func toUnstructured(typed []runtime.Object) ([]*unstructured.Unstructured, error) {
	objects := make([]*unstructured.Unstructured, len(typed))
	for i, one := range typed {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(one)
		if err != nil {
			return nil, err
		}
		unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
		unstructured.RemoveNestedField(fields, "status")
		objects[i] = &unstructured.Unstructured{Object: fields}
	}
	return objects, nil
}
