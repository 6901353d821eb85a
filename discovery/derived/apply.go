package derived

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applydiscoveryv1 "k8s.io/client-go/applyconfigurations/discovery/v1"
)

// write applies a service and its slices where they differ, and notes the names
// of all of them in keep.
func (w *Writer) write(ctx context.Context, s *service, gateways []netip.Addr, keep map[string]bool) error {
	keep[ownerID(s.key.Namespace, Name(s.key))] = true
	if !s.headless {
		keep[serviceID(s.key.Namespace, Name(s.key))] = true
		// A Service needs a port. One that has none keeps what it had.
		if len(s.ports) == 0 {
			return nil
		}
		// Slices follow the Service: its ports are what allocates those of the gateway.
		if err := w.applyService(ctx, s.serviceObject()); err != nil {
			return err
		}
	}
	var failures []error
	wanted := s.sliceObjects(gateways)
	for _, slice := range wanted {
		keep[sliceID(s.key.Namespace, *slice.Name)] = true
		failures = append(failures, w.applySlice(ctx, slice))
	}
	if s.headless {
		return errors.Join(failures...)
	}
	if endpoints := endpointsObject(s.key.Namespace, Name(s.key), wanted); endpoints != nil {
		keep[endpointsID(s.key.Namespace, Name(s.key))] = true
		failures = append(failures, w.applyEndpoints(ctx, endpoints))
	}
	return errors.Join(failures...)
}

func (w *Writer) applyService(ctx context.Context, wanted *applycorev1.ServiceApplyConfiguration) error {
	namespace, name := *wanted.Namespace, *wanted.Name
	have, err := w.Cluster.services.Services(namespace).Get(name)
	if err == nil {
		if same, err := holds(have, wanted); same || err != nil {
			return err
		}
	}
	_, err = w.Cluster.kube.CoreV1().Services(namespace).Apply(ctx, wanted, applyOptions)
	return described("apply Service", namespace, name, err)
}

func (w *Writer) applySlice(ctx context.Context, wanted *applydiscoveryv1.EndpointSliceApplyConfiguration) error {
	namespace, name := *wanted.Namespace, *wanted.Name
	have, found, err := w.Cluster.slices.GetByKey(namespace + "/" + name)
	if err == nil && found {
		if same, err := holds(have, wanted); same || err != nil {
			return err
		}
	}
	_, err = w.Cluster.kube.DiscoveryV1().EndpointSlices(namespace).Apply(ctx, wanted, applyOptions)
	return described("apply EndpointSlice", namespace, name, err)
}

// described says what failed; that a namespace is going is no failure.
func described(act, namespace, name string, err error) error {
	if err == nil || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return fmt.Errorf("%s %s/%s: %w", act, namespace, name, err)
}
