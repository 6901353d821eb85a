package installer

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// agentManager is the field manager of agents.
const agentManager = "eastwest-agent"

// releaseExports takes back what an agent wrote on the ServiceExports of its cluster,
// which are the user's and stay: that they are exported is not true any more.
func (s *site) releaseExports(ctx context.Context) error {
	var failures []error
	for _, resource := range serviceExports {
		list, err := s.member.Dynamic.Resource(resource).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list ServiceExports of %s: %w", resource.Group, err)
		}
		for i := range list.Items {
			failures = append(failures, s.releaseExport(ctx, resource, &list.Items[i]))
		}
	}
	return errors.Join(failures...)
}

func (s *site) releaseExport(ctx context.Context, resource schema.GroupVersionResource, one *unstructured.Unstructured) error {
	namespace, name := one.GetNamespace(), one.GetName()
	client := s.member.Dynamic.Resource(resource).Namespace(namespace)
	_, recorded := one.GetAnnotations()[v1alpha1.AnnotationIncumbent]
	_, marked := one.GetAnnotations()[v1alpha1.AnnotationOff]
	if recorded || marked {
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:null,%q:null}}}`, v1alpha1.AnnotationIncumbent, v1alpha1.AnnotationOff)
		if _, err := client.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("patch ServiceExport %s/%s: %w", namespace, name, err)
		}
	}
	if !writtenBy(one, agentManager) {
		return nil
	}
	// Whoever applies nothing gives up all that he applied before.
	nothing := &unstructured.Unstructured{}
	nothing.SetGroupVersionKind(one.GroupVersionKind())
	nothing.SetNamespace(namespace)
	nothing.SetName(name)
	_, err := client.Apply(ctx, name, nothing, metav1.ApplyOptions{FieldManager: agentManager, Force: true}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("apply the status of ServiceExport %s/%s: %w", namespace, name, err)
	}
	return nil
}

func writtenBy(one *unstructured.Unstructured, manager string) bool {
	for _, entry := range one.GetManagedFields() {
		if entry.Manager == manager && entry.Subresource == "status" {
			return true
		}
	}
	return false
}
