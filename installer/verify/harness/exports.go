package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// ServiceExports is the resource by which a Service is offered to other members.
var ServiceExports = schema.GroupVersionResource{Group: "multicluster.x-k8s.io", Version: "v1beta1", Resource: "serviceexports"}

// CodeNoExports is of a cluster that has no such resource.
const CodeNoExports = "NoExports"

// Exports are ServiceExports of the Services that have pods in this cluster, where
// others know of them by that alone.
func (p Plan) Exports() []*unstructured.Unstructured {
	if !p.Exported {
		return nil
	}
	var all []*unstructured.Unstructured
	for _, s := range p.Services() {
		if s.Name != HelloName && s.Name != LinkName(p.Member) {
			continue
		}
		e := &unstructured.Unstructured{}
		e.SetAPIVersion(ServiceExports.GroupVersion().String())
		e.SetKind("ServiceExport")
		e.SetNamespace(p.Namespace)
		e.SetName(s.Name)
		e.SetLabels(p.labels())
		all = append(all, e)
	}
	return all
}

// export offers the services of a plan to other members. An API server without
// the type is a finding, not a failure.
func (c Cluster) export(ctx context.Context, p Plan) error {
	for _, e := range p.Exports() {
		_, err := c.Dynamic.Resource(ServiceExports).Namespace(p.Namespace).Create(ctx, e, metav1.CreateOptions{})
		if noType(err) {
			return problem.New(problem.Unverified, CodeNoExports, "the cluster has no type ServiceExport of %s", ServiceExports.GroupVersion()).On(c.Name).
				About("CustomResourceDefinition serviceexports." + ServiceExports.Group).
				WithFix("run eastwest up: its agent brings the types; beside Istio that is eastwest up --agent")
		}
		if err != nil {
			return fmt.Errorf("create ServiceExport %s: %w", e.GetName(), err)
		}
	}
	return nil
}

// noType says that the API server does not know a resource at all.
func noType(err error) bool {
	if meta.IsNoMatchError(err) {
		return true
	}
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && (status.Status().Details == nil || status.Status().Details.Name == "")
}

// withdraw deletes labelled ServiceExports. It comes before all else, so that
// other members let go while there is still an answer.
func (c Cluster) withdraw(ctx context.Context, namespace, selector string) error {
	if c.Dynamic == nil {
		return nil
	}
	exports := c.Dynamic.Resource(ServiceExports).Namespace(namespace)
	list, err := exports.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
		return nil // who may not list them has made none
	}
	if err != nil {
		return fmt.Errorf("list ServiceExports in namespace %s: %w", namespace, err)
	}
	var errs []error
	for _, e := range list.Items {
		if err := exports.Delete(ctx, e.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("delete ServiceExport %s in namespace %s: %w", e.GetName(), namespace, err))
		}
	}
	return errors.Join(errs...)
}

// underived says that the agent has removed what it derived from the run's
// exports, of whatever member.
func (c Cluster) underived(ctx context.Context, p Plan) (bool, error) {
	list, err := c.Kube.CoreV1().Services(p.Namespace).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelDerived})
	if err != nil {
		return false, fmt.Errorf("list derived Services in namespace %s: %w", p.Namespace, err)
	}
	ours := []string{HelloName}
	for _, member := range p.Members {
		ours = append(ours, LinkName(member))
	}
	return !slices.ContainsFunc(list.Items, func(s corev1.Service) bool {
		return slices.Contains(ours, s.Annotations[v1alpha1.AnnotationService])
	}), nil
}
