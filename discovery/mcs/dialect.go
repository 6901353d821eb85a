package mcs

import (
	"encoding/json"
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	api "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// manager owns the fields that are written; the label tells our imports from those
// that somebody made by hand.
const (
	manager        = "eastwest-agent"
	labelManagedBy = "app.kubernetes.io/managed-by"
)

// dialect is one API for exports and imports.
type dialect struct {
	group string
	// versions are those that are understood, the preferred one first.
	versions []string
	// derived names, on an import, the Service that has its address.
	derived string
	// exporter is how status.clusters calls a member.
	exporter func(mesh string, member *model.Member) string
}

// upstream is the API of SIG Multicluster, whose status.clusters holds DNS labels.
var upstream = dialect{
	group: api.GroupName, versions: []string{"v1beta1", "v1alpha1"}, derived: "multicluster.kubernetes.io/derived-service",
	exporter: func(_ string, member *model.Member) string { return string(member.Name) },
}

// gke is the API of GKE, whose status.clusters holds names of memberships.
var gke = dialect{
	group: "net.gke.io", versions: []string{"v1"}, derived: "net.gke.io/derived-service",
	exporter: Membership,
}

// Membership is a member's full name as GKE writes it. The mesh stands for the
// project; a member that says nothing of its region is global.
func Membership(mesh string, member *model.Member) string {
	location := member.Region
	if location == "" {
		location = "global"
	}
	return fmt.Sprintf("projects/%s/locations/%s/memberships/%s", mesh, location, member.Name)
}

func (d *dialect) imports(version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: d.group, Version: version, Resource: api.ServiceImportPluralName}
}

func (d *dialect) exports(version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: d.group, Version: version, Resource: api.ServiceExportPluralName}
}

// object is an import without its status, as it is applied.
func (d *dialect) object(version string, i *Import) (*unstructured.Unstructured, error) {
	labels, annotations := map[string]string{}, map[string]string{}
	maps.Copy(labels, i.Labels)
	maps.Copy(annotations, i.Annotations)
	labels[labelManagedBy] = manager
	labels[v1alpha1.LabelDerived] = "true"
	if i.Derived != "" {
		annotations[d.derived] = i.Derived
	}
	return d.generic(version, api.ServiceImportKindName, metav1.ObjectMeta{
		Namespace: i.Key.Namespace, Name: i.Key.Name, Labels: labels, Annotations: annotations,
	}, "spec", i.Spec)
}

// status is an import's status, as it is applied.
func (d *dialect) status(version, mesh string, i *Import, conditions []metav1.Condition) (*unstructured.Unstructured, error) {
	status := api.ServiceImportStatus{EndpointSliceObjects: api.EndpointSliceObjectsAbsent, Conditions: conditions}
	if i.Slices {
		status.EndpointSliceObjects = api.EndpointSliceObjectsPresent
	}
	for _, member := range i.Exporters {
		status.Clusters = append(status.Clusters, api.ClusterStatus{Cluster: d.exporter(mesh, member)})
	}
	return d.generic(version, api.ServiceImportKindName, metav1.ObjectMeta{Namespace: i.Key.Namespace, Name: i.Key.Name}, "status", status)
}

// notManaged is the status of an import that is not ours.
func (d *dialect) notManaged(version string, key model.ServiceKey, conditions []metav1.Condition) (*unstructured.Unstructured, error) {
	status := map[string]any{"conditions": conditions}
	return d.generic(version, api.ServiceImportKindName, metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, "status", status)
}

// conditions is an export's status, as it is applied.
func (d *dialect) conditions(version string, e *Export, conditions []metav1.Condition) (*unstructured.Unstructured, error) {
	status := map[string]any{"conditions": conditions}
	return d.generic(version, api.ServiceExportKindName, metav1.ObjectMeta{Namespace: e.Key.Namespace, Name: e.Key.Name}, "status", status)
}

// generic is an object with one field beside its metadata.
func (d *dialect) generic(version, kind string, meta metav1.ObjectMeta, field string, value any) (*unstructured.Unstructured, error) {
	typed := map[string]any{"apiVersion": d.group + "/" + version, "kind": kind, "metadata": meta, field: value}
	text, err := json.Marshal(typed)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s/%s: %w", kind, meta.Namespace, meta.Name, err)
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("encode %s %s/%s: %w", kind, meta.Namespace, meta.Name, err)
	}
	unstructured.RemoveNestedField(out.Object, "metadata", "creationTimestamp")
	return out, nil
}
