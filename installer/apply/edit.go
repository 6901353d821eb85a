package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Edit is a change to an object that is not ours: a part of one of its fields, which
// server-side apply cannot own.
type Edit struct {
	// Before is as it was read, nil where there is none; After as it should be. Both
	// are equal where nothing is to be done.
	Before, After *unstructured.Unstructured
	// Delete is true where the object is to go; After then says which.
	Delete bool
}

// EditPlan is the plan that makes edits. Each is written over just what was read: where
// somebody else was faster, Apply ends with what Raced knows, and nothing is lost. The
// objects become members of no set, so that they are never pruned.
func EditPlan(name string, edits ...Edit) *Plan {
	plan := &Plan{Set: name}
	for _, edit := range edits {
		change := Change{
			Action: Created, Kind: edit.After.GetKind(), Namespace: edit.After.GetNamespace(), Name: edit.After.GetName(),
			object: edit.After, edit: true,
		}
		if edit.Before != nil {
			change.Action, change.Diff = Configured, diff(edit.Before, edit.After)
			if len(change.Diff) == 0 {
				change.Action = Unchanged
			}
		}
		if edit.Delete {
			change.Action, change.Diff = Deleted, nil
		}
		plan.Changes = append(plan.Changes, change)
	}
	return plan
}

// Raced reports whether an edit was not made because the object is another one than
// was read: read it again, and plan anew.
func Raced(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}

// write makes an edit.
func (a *Applier) write(ctx context.Context, change Change) error {
	client, err := a.resource(change.object)
	if err != nil {
		return err
	}
	switch change.Action {
	case Created:
		_, err = client.Create(ctx, change.object, metav1.CreateOptions{FieldManager: FieldManager})
	case Configured:
		_, err = client.Update(ctx, change.object, metav1.UpdateOptions{FieldManager: FieldManager})
	case Deleted:
		uid, version := change.object.GetUID(), change.object.GetResourceVersion()
		err = client.Delete(ctx, change.object.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
	}
	return err
}
