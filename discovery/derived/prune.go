package derived

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// prune deletes what of ours is not wanted any more under a derived name: slices at
// once, Services only where it is known that nobody exports them, as with a Service
// goes its address. A derived name without any Service is that of slices which lost
// their labels.
func (w *Writer) prune(ctx context.Context, at types.NamespacedName, keep map[string]bool, complete bool) error {
	list, err := w.Cluster.slicesOf(at)
	if err != nil {
		return err
	}
	wanted := keep[ownerID(at.Namespace, at.Name)]
	var failures []error
	for _, slice := range list {
		if keep[sliceID(slice.Namespace, slice.Name)] || !wanted && !complete {
			continue
		}
		err := w.Cluster.kube.DiscoveryV1().EndpointSlices(slice.Namespace).Delete(ctx, slice.Name, onlyThis(slice))
		failures = append(failures, gone("delete EndpointSlice", slice.Namespace, slice.Name, err))
	}
	endpoints, err := w.Cluster.endpoints.Endpoints(at.Namespace).Get(at.Name)
	if err == nil && !keep[endpointsID(at.Namespace, at.Name)] && (wanted || complete) {
		err := w.Cluster.kube.CoreV1().Endpoints(at.Namespace).Delete(ctx, at.Name, onlyThis(endpoints))
		failures = append(failures, gone("delete Endpoints", at.Namespace, at.Name, err))
	}
	service, err := w.Cluster.services.Services(at.Namespace).Get(at.Name)
	if err == nil && !keep[serviceID(at.Namespace, at.Name)] && complete {
		err := w.Cluster.kube.CoreV1().Services(at.Namespace).Delete(ctx, at.Name, onlyThis(service))
		failures = append(failures, gone("delete Service", at.Namespace, at.Name, err))
	}
	return errors.Join(failures...)
}

func serviceID(namespace, name string) string { return "service " + namespace + "/" + name }
func ownerID(namespace, name string) string   { return "owner " + namespace + "/" + name }
func sliceID(namespace, name string) string   { return "slice " + namespace + "/" + name }

// onlyThis deletes the object that was seen, and no other of its name.
func onlyThis(object metav1.Object) metav1.DeleteOptions {
	uid := object.GetUID()
	return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}
}

func gone(act, namespace, name string, err error) error {
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("%s %s/%s: %w", act, namespace, name, err)
}
