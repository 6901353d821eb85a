//lint:file-ignore SA1019 kubectl get endpoints is what GKE's guide tells people to run.

package derived

import (
	"context"

	discoveryv1 "k8s.io/api/discovery/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applydiscoveryv1 "k8s.io/client-go/applyconfigurations/discovery/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// mostEndpoints is what the API server's own controller puts into one object at most,
// and overCapacity how it says so.
const (
	mostEndpoints = 1000
	overCapacity  = "endpoints.kubernetes.io/over-capacity"
	truncated     = "truncated"
)

// endpointsObject is for people and scripts that follow GKE's guide: kubectl get
// endpoints shows how far an import has come. It says what the slices of a derived
// Service say, and nothing reads it: kube-proxy reads the slices, and the label keeps
// Kubernetes from mirroring it into more of them. Nil where there is no endpoint.
func endpointsObject(namespace, name string, slices []*applydiscoveryv1.EndpointSliceApplyConfiguration) *applycorev1.EndpointsApplyConfiguration {
	out := applycorev1.Endpoints(name, namespace).WithLabels(map[string]string{
		discoveryv1.LabelSkipMirror: "true", v1alpha1.LabelDerived: "true",
	})
	left := mostEndpoints
	for _, slice := range slices {
		subset := applycorev1.EndpointSubset()
		for _, port := range slice.Ports {
			subset = subset.WithPorts(&applycorev1.EndpointPortApplyConfiguration{
				Name: named(port.Name), Port: port.Port, Protocol: port.Protocol, AppProtocol: port.AppProtocol,
			})
		}
		for i := range slice.Endpoints {
			if left == 0 {
				out = out.WithAnnotations(map[string]string{overCapacity: truncated})
				break
			}
			left--
			address := applycorev1.EndpointAddress().WithIP(slice.Endpoints[i].Addresses[0])
			if *slice.Endpoints[i].Conditions.Ready {
				subset = subset.WithAddresses(address)
			} else {
				subset = subset.WithNotReadyAddresses(address)
			}
		}
		if len(subset.Addresses)+len(subset.NotReadyAddresses) > 0 {
			out = out.WithSubsets(subset)
		}
	}
	if len(out.Subsets) == 0 {
		return nil
	}
	return out
}

// named is nil for a port without a name, as the API server drops an empty one.
func named(name *string) *string {
	if name == nil || *name == "" {
		return nil
	}
	return name
}

func (w *Writer) applyEndpoints(ctx context.Context, wanted *applycorev1.EndpointsApplyConfiguration) error {
	namespace, name := *wanted.Namespace, *wanted.Name
	have, err := w.Cluster.endpoints.Endpoints(namespace).Get(name)
	if err == nil {
		if same, err := holds(have, wanted); same || err != nil {
			return err
		}
	}
	_, err = w.Cluster.kube.CoreV1().Endpoints(namespace).Apply(ctx, wanted, applyOptions)
	return described("apply Endpoints", namespace, name, err)
}

func endpointsID(namespace, name string) string { return "endpoints " + namespace + "/" + name }
