package mcs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// apply writes what is ours of an object, or of its status.
func (o *objects) apply(ctx context.Context, which int, object *unstructured.Unstructured, subresources ...string) error {
	resource := o.imports(o.version)
	if which == ofExports {
		resource = o.exports(o.version)
	}
	namespace, name := object.GetNamespace(), object.GetName()
	_, err := o.client.Resource(resource).Namespace(namespace).Apply(ctx, name, object, metav1.ApplyOptions{FieldManager: manager, Force: true}, subresources...)
	if err != nil {
		return fmt.Errorf("apply %s %s/%s: %w", object.GetKind(), namespace, name, err)
	}
	return nil
}

// unseen is a version that no object has: what is applied with it is made, or refused
// where there is one of its name.
const unseen = "1"

// applySeen writes what is ours of an import that is still as it was seen; nil: that
// was not there. Otherwise it is refused as a conflict, so that one that somebody else
// made meanwhile is not taken over.
func (o *objects) applySeen(ctx context.Context, object, seen *unstructured.Unstructured) error {
	version := unseen
	if seen != nil {
		version = seen.GetResourceVersion()
	}
	object.SetResourceVersion(version)
	return o.apply(ctx, ofImports, object)
}

// annotate sets an annotation of an export that was seen; nil takes it away. It is no
// apply: that would make an export anew that was deleted meanwhile.
func (o *objects) annotate(ctx context.Context, seen *unstructured.Unstructured, key string, value any) error {
	namespace, name := seen.GetNamespace(), seen.GetName()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": seen.GetUID(), "annotations": map[string]any{key: value},
	}})
	if err != nil {
		return fmt.Errorf("encode a patch: %w", err)
	}
	_, err = o.client.Resource(o.exports(o.version)).Namespace(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager})
	if err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("patch ServiceExport %s/%s: %w", namespace, name, err)
	}
	return nil
}

// release gives up the status of an object as far as it is ours: whoever applies
// nothing gives up all that he applied before.
func (o *objects) release(ctx context.Context, which int, seen *unstructured.Unstructured) error {
	if !slices.ContainsFunc(seen.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == manager && entry.Subresource == "status"
	}) {
		return nil
	}
	nothing := &unstructured.Unstructured{}
	nothing.SetGroupVersionKind(seen.GroupVersionKind())
	nothing.SetNamespace(seen.GetNamespace())
	nothing.SetName(seen.GetName())
	return o.apply(ctx, which, nothing, "status")
}

// remove deletes the import that was seen, and no other of its name.
func (o *objects) remove(ctx context.Context, seen *unstructured.Unstructured) error {
	uid, namespace, name := seen.GetUID(), seen.GetNamespace(), seen.GetName()
	err := o.client.Resource(o.imports(o.version)).Namespace(namespace).Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("delete ServiceImport %s/%s: %w", namespace, name, err)
}
