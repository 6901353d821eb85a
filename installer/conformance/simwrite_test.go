package conformance

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// writeConditions says of an export whether it is valid and agrees with the others.
func (s *set) writeConditions(ctx context.Context, t *testing.T, one exported, valid []exported) {
	conditions := []metav1.Condition{
		{Type: string(mcs.ServiceExportConditionValid), Status: metav1.ConditionFalse},
		{Type: string(mcs.ServiceExportConditionConflict), Status: metav1.ConditionFalse},
	}
	if slices.ContainsFunc(valid, func(e exported) bool { return e.from == one.from }) {
		conditions[0].Status = metav1.ConditionTrue
	}
	for _, other := range valid {
		a, b := valid[0], other
		if !reflect.DeepEqual(a.service.Spec.Ports, b.service.Spec.Ports) || isHeadless(a) != isHeadless(b) || !reflect.DeepEqual(a.export.Spec, b.export.Spec) {
			conditions[1].Status = metav1.ConditionTrue
		}
	}
	for i := range conditions {
		if s.condition != nil {
			s.condition(&conditions[i])
		}
	}
	export := one.export
	export.Status.Conditions = conditions
	if !s.unchanged("export "+one.from.name+export.Namespace, conditions) {
		check(t, update(ctx, one.from, exports, &export))
	}
}

func isHeadless(e exported) bool { return e.service.Spec.ClusterIP == corev1.ClusterIPNone }

// update writes an object as it is.
func update(ctx context.Context, c *cluster, resource schema.GroupVersionResource, object metav1.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	one := &unstructured.Unstructured{Object: content}
	client := c.dyn.Resource(resource).Namespace(object.GetNamespace())
	_, err = client.Update(ctx, one, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		one.SetAPIVersion(resource.GroupVersion().String())
		if resource == imports {
			one.SetKind(mcs.ServiceImportKindName)
			_, err = client.Create(ctx, one, metav1.CreateOptions{})
			return err
		}
		return nil // withdrawn meanwhile
	}
	return err
}

// writeImport writes the import of a cluster: the first exporter decides, ports are
// those of all.
func (s *set) writeImport(ctx context.Context, t *testing.T, c *cluster, namespace string, valid []exported) {
	first := valid[0]
	one := &mcs.ServiceImport{
		TypeMeta:   metav1.TypeMeta{APIVersion: imports.GroupVersion().String(), Kind: mcs.ServiceImportKindName},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: helloName},
		Spec: mcs.ServiceImportSpec{
			Type: mcs.ClusterSetIP, SessionAffinity: first.service.Spec.SessionAffinity, SessionAffinityConfig: first.service.Spec.SessionAffinityConfig,
			InternalTrafficPolicy: first.service.Spec.InternalTrafficPolicy, TrafficDistribution: first.service.Spec.TrafficDistribution,
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, IPs: []string{"10.9.9.9"},
		},
		Status: mcs.ServiceImportStatus{
			EndpointSliceObjects: mcs.EndpointSliceObjectsPresent,
			Conditions:           []metav1.Condition{{Type: string(mcs.ServiceImportConditionReady), Status: metav1.ConditionTrue}},
		},
	}
	if isHeadless(first) {
		one.Spec.Type, one.Spec.IPs = mcs.Headless, nil
	}
	one.Labels, one.Annotations = maps.Clone(first.export.Spec.ExportedLabels), maps.Clone(first.export.Spec.ExportedAnnotations)
	for _, exporter := range valid {
		one.Status.Clusters = append(one.Status.Clusters, mcs.ClusterStatus{Cluster: exporter.from.name})
		for _, port := range exporter.service.Spec.Ports {
			if !slices.ContainsFunc(one.Spec.Ports, func(have mcs.ServicePort) bool { return have.Name == port.Name }) {
				one.Spec.Ports = append(one.Spec.Ports, importPort(port.Name, port.Protocol, port.Port))
			}
		}
		if s.mixed {
			one.Labels = merged(one.Labels, merged(exporter.export.Labels, exporter.export.Spec.ExportedLabels))
		}
	}
	if s.spoil != nil {
		s.spoil(one)
	}
	if !s.unchanged("import "+c.name+namespace, one) {
		check(t, update(ctx, c, imports, one))
	}
}

func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// writeSlices writes a slice for each exporter.
func (s *set) writeSlices(ctx context.Context, t *testing.T, c *cluster, namespace string, valid []exported) {
	for _, one := range valid {
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: helloName + "-" + one.from.name,
				Labels: map[string]string{
					mcs.LabelServiceName: helloName, mcs.LabelSourceCluster: one.from.name, discoveryv1.LabelManagedBy: "simulated",
				},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
		}
		for i := range one.pods {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: addresses(one.pods[i : i+1])})
		}
		if s.spoilSlice != nil {
			s.spoilSlice(slice)
		}
		if s.unchanged("slice "+c.name+namespace+slice.Name, slice) {
			continue
		}
		client := c.kube.DiscoveryV1().EndpointSlices(namespace)
		_, err := client.Update(ctx, slice, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			_, err = client.Create(ctx, slice, metav1.CreateOptions{})
		}
		check(t, err)
	}
}
