package istio

import (
	"context"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
)

// Weights reads what part of the shared service the consumer's Envoy gives each
// version. Which address belongs to which member is known from the links: their
// Services have pods in one member only, so their addresses are that member's.
func (d *Dataplane) Weights(ctx context.Context, scene *verify.Scene, m *verify.Member) (map[string]float64, error) {
	data, err := d.of(m).sidecar(ctx, m.Sleep.Pod, d.of(m).services().EndpointsPath())
	if err != nil {
		return nil, err
	}
	endpoints, err := envoy.ParseEndpoints(data)
	if err != nil {
		return nil, err
	}
	owner := map[string]*verify.Member{}
	weights := map[string]float64{}
	for _, c := range scene.Of(m) {
		for _, e := range endpoints[clusterName(c)] {
			owner[e.String()] = c.Producer
		}
		// A version that should be there but has no endpoint has weight zero.
		if c.Testable() {
			weights[c.Producer.Version] = 0
		}
	}
	for _, e := range endpoints[envoy.ClusterName(fullName(harness.HelloName, m.Plan.Namespace), harness.Port)] {
		if p := owner[e.String()]; p != nil {
			weights[p.Version] += e.Share
		}
	}
	return weights, nil
}
