package peer

import (
	"net/netip"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Advertised is an address which peers dial for a gateway instead of that of its
// Service.
type Advertised struct {
	Name, Namespace string
	// Network that the gateway leads to.
	Network string
	Host    string
	Port    int
}

// RemoteGateway is the object from which a consumer's istiod learns an
// advertised address: a Gateway of class istio-remote, which deploys nothing.
// Source: istio.io/istio/pilot/pkg/serviceregistry/kube/controller/network.go.
func RemoteGateway(a Advertised) *unstructured.Unstructured {
	kind := "Hostname"
	if _, err := netip.ParseAddr(a.Host); err == nil {
		kind = "IPAddress"
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1",
		"kind":       "Gateway",
		"metadata": map[string]any{
			"name": a.Name, "namespace": a.Namespace,
			"labels": map[string]any{"topology.istio.io/network": a.Network},
		},
		"spec": map[string]any{
			"gatewayClassName": "istio-remote",
			"addresses":        []any{map[string]any{"type": kind, "value": a.Host}},
			"listeners": []any{map[string]any{
				"name": "cross-network", "port": int64(a.Port), "protocol": "TLS",
				"tls": map[string]any{
					"mode":    "Passthrough",
					"options": map[string]any{"gateway.istio.io/listener-protocol": "auto-passthrough"},
				},
			}},
		},
	}}
}

// GatewayRights let the consumer's agent restore the named gateways of a producer,
// and no others: a request to create by server-side apply names its object, too.
func GatewayRights(producer, namespace string, names []string) ([]*unstructured.Unstructured, error) {
	meta := metav1.ObjectMeta{Name: "eastwest-gateways-" + producer, Namespace: namespace}
	return toUnstructured([]runtime.Object{
		&rbacv1.Role{
			TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"}, ObjectMeta: meta,
			Rules: []rbacv1.PolicyRule{{
				APIGroups: []string{"gateway.networking.k8s.io"}, Resources: []string{"gateways"}, ResourceNames: names,
				Verbs: []string{"get", "create", "patch"},
			}},
		},
		&rbacv1.RoleBinding{
			TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"}, ObjectMeta: meta,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "eastwest-agent", Namespace: AccountNamespace}},
		},
	})
}
