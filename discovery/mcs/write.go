package mcs

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// bringImport makes the import of a service, or deletes ours of one that nobody exports
// any more.
func (w *Writer) bringImport(ctx context.Context, in *objects, key model.ServiceKey, now *basis, at metav1.Time) error {
	last, service := in.get(ofImports, key), now.view.Services.Get(key)
	switch {
	case service != nil && w.Namespace(key.Namespace):
		wanted := importOf(now.view, service, now.from)
		return notGoing(w.writeImport(ctx, in, &wanted, last, at))
	case service == nil && last != nil && now.complete && ours(last):
		return in.remove(ctx, last)
	}
	return nil
}

func ours(object *unstructured.Unstructured) bool {
	return object.GetLabels()[labelManagedBy] == manager
}

// writeImport writes one import where it differs. One that somebody made by hand
// stays as it is.
func (w *Writer) writeImport(ctx context.Context, in *objects, wanted *Import, last *unstructured.Unstructured, now metav1.Time) error {
	if last != nil && !ours(last) {
		return w.leaveAlone(ctx, in, last, now)
	}
	object, err := in.object(in.version, wanted)
	if err != nil {
		return err
	}
	if last == nil || !holds(last, object) {
		err := in.applySeen(ctx, object, last)
		if apierrors.IsConflict(err) {
			return nil // it is not as it was seen; the watch is about to say how it is
		}
		if err != nil {
			return err
		}
	}
	var before []metav1.Condition
	if last != nil {
		before = conditionsOf(last)
	}
	status, err := in.status(in.version, w.Mesh, wanted, lasting(wanted.Conditions, before, now))
	if err != nil || last != nil && holdsStatus(last, status) {
		return err
	}
	return in.apply(ctx, ofImports, status, "status")
}

// leaveAlone says on an import that it is not ours, and nothing more.
func (w *Writer) leaveAlone(ctx context.Context, in *objects, last *unstructured.Unstructured, now metav1.Time) error {
	key := model.ServiceKey{Namespace: last.GetNamespace(), Name: last.GetName()}
	condition := metav1.Condition{
		Type: Managed, Status: metav1.ConditionFalse, Reason: "NotManaged",
		Message: "somebody else made this import, so that it stays as it is; delete it to have one that follows the exports",
	}
	status, err := in.notManaged(in.version, key, lasting([]metav1.Condition{condition}, conditionsOf(last), now))
	if err != nil || meta.IsStatusConditionFalse(conditionsOf(last), Managed) {
		return err
	}
	return in.apply(ctx, ofImports, status, "status")
}

// bringExport gives an export of this cluster its conditions.
func (w *Writer) bringExport(ctx context.Context, in *objects, key model.ServiceKey, now *basis, at metav1.Time) error {
	last := in.get(ofExports, key)
	if last == nil {
		return nil
	}
	var problem *Problem
	if one, found := now.problems[key]; found {
		problem = &one
	}
	wanted := exportOf(key, now.view, w.Own, problem)
	if _, unsettled := now.unsettled[key]; unsettled {
		wanted.Incumbent = ""
	}
	return notGoing(w.writeExport(ctx, in, &wanted, last, at))
}

func (w *Writer) writeExport(ctx context.Context, in *objects, wanted *Export, last *unstructured.Unstructured, now metav1.Time) error {
	annotations := last.GetAnnotations()
	if wanted.Incumbent != "" && annotations[v1alpha1.AnnotationIncumbent] != string(wanted.Incumbent) {
		if err := in.annotate(ctx, last, v1alpha1.AnnotationIncumbent, string(wanted.Incumbent)); err != nil {
			return err
		}
	}
	if _, marked := annotations[v1alpha1.AnnotationOff]; marked {
		if err := in.annotate(ctx, last, v1alpha1.AnnotationOff, nil); err != nil {
			return err
		}
	}
	status, err := in.conditions(in.version, wanted, lasting(wanted.Conditions, conditionsOf(last), now))
	if err != nil || holdsStatus(last, status) {
		return err
	}
	return in.apply(ctx, ofExports, status, "status")
}

// notGoing drops what is no failure: that a namespace or an object is going.
func notGoing(err error) error {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
