package peer

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
