package member

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var customTypes = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// Type is a CRD of the cluster, nil where it has none of that name.
func (m *Member) Type(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	found, err := m.Dynamic.Resource(customTypes).Get(ctx, name, metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return nil, fmt.Errorf("read CustomResourceDefinition %s: %w", name, err)
	}
	if err != nil {
		return nil, nil //nolint:nilnil // there is none, which is an answer
	}
	return found, nil
}
