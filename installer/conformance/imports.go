package conformance

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// The resources that are looked at.
var (
	exports = schema.GroupVersionResource{Group: mcs.GroupName, Version: "v1beta1", Resource: mcs.ServiceExportPluralName}
	imports = schema.GroupVersionResource{Group: mcs.GroupName, Version: "v1beta1", Resource: mcs.ServiceImportPluralName}
)

// serve makes a Service in a cluster without exporting it.
func (s *scene) serve(ctx context.Context, m *Member, service *corev1.Service) (*corev1.Service, error) {
	made, err := m.Kube.CoreV1().Services(s.namespace).Create(ctx, service, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("cluster %s: create Service %s/%s: %w", m.Name, s.namespace, service.Name, err)
	}
	return made, nil
}

// export makes a Service in a cluster and exports it.
func (s *scene) export(ctx context.Context, m *Member, service *corev1.Service) error {
	return s.exportWith(ctx, m, service, &mcs.ServiceExport{})
}

// exportWith is export with what else its ServiceExport says.
func (s *scene) exportWith(ctx context.Context, m *Member, service *corev1.Service, export *mcs.ServiceExport) error {
	if _, err := s.serve(ctx, m, service); err != nil {
		return err
	}
	return s.exportOnly(ctx, m, service.Name, export)
}

// exportOnly exports a Service that there is.
func (s *scene) exportOnly(ctx context.Context, m *Member, name string, export *mcs.ServiceExport) error {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(export)
	if err != nil {
		return fmt.Errorf("encode ServiceExport %s: %w", name, err)
	}
	one := &unstructured.Unstructured{Object: object}
	one.SetAPIVersion(exports.GroupVersion().String())
	one.SetKind(mcs.ServiceExportKindName)
	one.SetName(name)
	unstructured.RemoveNestedField(one.Object, "status")
	unstructured.RemoveNestedField(one.Object, "metadata", "creationTimestamp")
	if _, err := m.Dynamic.Resource(exports).Namespace(s.namespace).Create(ctx, one, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("cluster %s: create ServiceExport %s/%s: %w", m.Name, s.namespace, name, err)
	}
	return nil
}

// exportBoth exports one Service from the first cluster and then, when that one is
// imported and older, another from the second.
func (s *scene) exportBoth(ctx context.Context, older, younger *corev1.Service, olderWith, youngerWith *mcs.ServiceExport) error {
	if err := s.exportWith(ctx, s.first(), older, olderWith); err != nil {
		return err
	}
	if err := s.imported(ctx, nil); err != nil {
		return err
	}
	if err := pause(ctx); err != nil {
		return err
	}
	return s.exportWith(ctx, s.second(), younger, youngerWith)
}

// unexport withdraws the export of hello.
func (s *scene) unexport(ctx context.Context, m *Member) error {
	err := m.Dynamic.Resource(exports).Namespace(s.namespace).Delete(ctx, helloName, metav1.DeleteOptions{})
	if err != nil {
		return fmt.Errorf("cluster %s: delete ServiceExport %s/%s: %w", m.Name, s.namespace, helloName, err)
	}
	return nil
}

// readImport is a cluster's import, nil where there is none.
func (s *scene) readImport(ctx context.Context, m *Member, name string) (*mcs.ServiceImport, error) {
	object, err := m.Dynamic.Resource(imports).Namespace(s.namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get ServiceImport %s/%s: %w", s.namespace, name, err)
	}
	one := &mcs.ServiceImport{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, one); err != nil {
		return nil, violated("ServiceImport %s/%s is not of the type: %v", s.namespace, name, err)
	}
	return one, nil
}

// importIs looks at the import of one cluster; nil checks only that it is there.
func (s *scene) importIs(ctx context.Context, m *Member, name string, check func(*mcs.ServiceImport) error) error {
	one, err := s.readImport(ctx, m, name)
	switch {
	case err != nil:
		return err
	case one == nil:
		return violated("there is no ServiceImport %s/%s", s.namespace, name)
	case check == nil:
		return nil
	}
	return check(one)
}

// imported waits until every cluster has an import of hello that is right; nil: any.
func (s *scene) imported(ctx context.Context, check func(*mcs.ServiceImport) error) error {
	return s.everywhere(func(m *Member) error {
		return eventually(ctx, soon, func(ctx context.Context) error { return s.importIs(ctx, m, helloName, check) })
	})
}

// notImported looks at a cluster that shall have no import of hello.
func (s *scene) notImported(ctx context.Context, m *Member) error {
	one, err := s.readImport(ctx, m, helloName)
	if err == nil && one != nil {
		return violated("there is a ServiceImport %s/%s", s.namespace, helloName)
	}
	return err
}

// gone waits until no cluster has an import of hello.
func (s *scene) gone(ctx context.Context) error {
	return s.everywhere(func(m *Member) error {
		return eventually(ctx, soon, func(ctx context.Context) error { return s.notImported(ctx, m) })
	})
}

// condition waits until the export of hello in a cluster has a condition.
func (s *scene) condition(ctx context.Context, m *Member, kind mcs.ServiceExportConditionType, status metav1.ConditionStatus) error {
	return eventually(ctx, soon, func(ctx context.Context) error {
		object, err := m.Dynamic.Resource(exports).Namespace(s.namespace).Get(ctx, helloName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("cluster %s: get ServiceExport %s/%s: %w", m.Name, s.namespace, helloName, err)
		}
		one := &mcs.ServiceExport{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, one); err != nil {
			return violated("cluster %s: ServiceExport %s/%s is not of the type: %v", m.Name, s.namespace, helloName, err)
		}
		have := meta.FindStatusCondition(one.Status.Conditions, string(kind))
		if have == nil {
			return violated("cluster %s: the ServiceExport has no condition %s", m.Name, kind)
		}
		if have.Status != status {
			return violated("cluster %s: condition %s of the ServiceExport is %s (%s: %s), want %s", m.Name, kind, have.Status, have.Reason, have.Message, status)
		}
		return nil
	})
}

// conflicts waits until the exports of both clusters say that they do not agree.
func (s *scene) conflicts(ctx context.Context) error {
	return each(s.members[:2], func(m *Member) error {
		return s.condition(ctx, m, mcs.ServiceExportConditionConflict, metav1.ConditionTrue)
	})
}

// slices lists the slices of a cluster that are of the import of hello.
func (s *scene) slices(ctx context.Context, m *Member) ([]discoveryv1.EndpointSlice, error) {
	list, err := m.Kube.DiscoveryV1().EndpointSlices(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: mcs.LabelServiceName + "=" + helloName})
	if err != nil {
		return nil, fmt.Errorf("list EndpointSlices of namespace %s: %w", s.namespace, err)
	}
	return list.Items, nil
}
