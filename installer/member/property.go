package member

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Names of properties that say which cluster of which set this is (KEP-2149).
const (
	PropertyCluster = "cluster.clusterset.k8s.io"
	PropertySet     = "clusterset.k8s.io"
)

var clusterProperties = schema.GroupVersionResource{Group: "about.k8s.io", Version: "v1beta1", Resource: "clusterproperties"}

// Property is what the cluster says of itself, and the labels of who said it; empty
// where nobody has.
func (m *Member) Property(ctx context.Context, name string) (value string, labels map[string]string, err error) {
	found, err := m.Dynamic.Resource(clusterProperties).Get(ctx, name, metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return "", nil, fmt.Errorf("read ClusterProperty %s: %w", name, err)
	}
	if err != nil {
		return "", nil, nil
	}
	value, _, err = unstructured.NestedString(found.Object, "spec", "value")
	if err != nil {
		return "", nil, fmt.Errorf("read ClusterProperty %s: %w", name, err)
	}
	return value, found.GetLabels(), nil
}
