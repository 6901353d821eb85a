package installer

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/installer/render"
)

// RenderOptions describe one cluster's gateway and exposure without the cluster.
type RenderOptions struct {
	Namespace                   string
	Network, Revision, Platform string
	SourceRanges                []string
	Public                      bool
	SingleCluster, Ambient      bool
	ExposeControlPlane          bool
	NoExpose                    bool
	PilotCertProvider           string
	// Values of the user for the gateway chart.
	Values render.Values
}

// Render returns the objects of a gateway and its exposure, in the order of
// creation. It contacts nothing.
func Render(options RenderOptions) ([]*unstructured.Unstructured, error) {
	layers, err := GatewayValues(GatewaySpec{
		Platform: options.Platform, Network: options.Network, Revision: options.Revision,
		SourceRanges: options.SourceRanges, SingleCluster: options.SingleCluster, Ambient: options.Ambient,
		PilotCertProvider: options.PilotCertProvider, Values: []render.Values{options.Values},
	})
	if err != nil {
		return nil, err
	}
	if options.ExposeControlPlane {
		layers = append(layers, render.Values{"exposeControlPlane": true})
	}
	if err := checkPublic("", layers, options.Public || options.Ambient); err != nil {
		return nil, err
	}
	objects, err := render.Chart(render.Release{Chart: "eastwest-gateway", Namespace: options.Namespace, Layers: layers})
	if err != nil || options.NoExpose || options.Ambient || options.SingleCluster {
		return objects, err
	}
	exposure, err := render.Chart(render.Release{Chart: "eastwest-expose", Namespace: options.Namespace})
	return append(objects, exposure...), err
}

// IstioOperator is the gateway as istioctl installs it, with the names and
// ports of the installation guide's script; ambient mode has no such form and
// yields the Gateway API object.
func IstioOperator(options RenderOptions) (*unstructured.Unstructured, error) {
	if options.Ambient {
		objects, err := Render(options)
		if err != nil {
			return nil, err
		}
		return objects[0], nil
	}
	port := func(name string, number int64) any {
		return map[string]any{"name": name, "port": number, "targetPort": number}
	}
	ports := []any{port("status-port", 15021), port("tls", 15443)}
	if options.ExposeControlPlane {
		ports = append(ports, port("tls-istiod", 15012), port("tls-webhook", 15017))
	}
	service := map[string]any{"ports": ports}
	if len(options.SourceRanges) > 0 {
		ranges := make([]any, len(options.SourceRanges))
		for i, one := range options.SourceRanges {
			ranges[i] = one
		}
		service["loadBalancerSourceRanges"] = ranges
	}
	kubernetes := map[string]any{"service": service}
	label := map[string]any{"istio": "eastwestgateway", "app": "istio-eastwestgateway"}
	global := map[string]any{}
	if !options.SingleCluster {
		label["topology.istio.io/network"] = options.Network
		kubernetes["env"] = []any{map[string]any{"name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": options.Network}}
		global["network"] = options.Network
	}
	if options.PilotCertProvider != "" {
		global["pilotCertProvider"] = options.PilotCertProvider
	}
	values := map[string]any{
		"gateways": map[string]any{"istio-ingressgateway": map[string]any{"injectionTemplate": "gateway"}},
	}
	if len(global) > 0 {
		values["global"] = global
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "install.istio.io/v1alpha1",
		"kind":       "IstioOperator",
		"metadata":   map[string]any{"name": "eastwest"},
		"spec": map[string]any{
			"revision": options.Revision,
			"profile":  "empty",
			"components": map[string]any{"ingressGateways": []any{map[string]any{
				"name": "istio-eastwestgateway", "enabled": true, "label": label, "k8s": kubernetes,
			}}},
			"values": values,
		},
	}}, nil
}
