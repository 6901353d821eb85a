package mcs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// served is the version in which a dialect is served with both of its kinds; empty
// where it is not.
func (d *dialect) served(client discovery.ServerResourcesInterface) (string, error) {
	for _, version := range d.versions {
		list, err := client.ServerResourcesForGroupVersion(d.group + "/" + version)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("ask for the API %s/%s: %w", d.group, version, err)
		}
		found := 0
		for _, one := range list.APIResources {
			if one.Name == d.imports(version).Resource || one.Name == d.exports(version).Resource {
				found++
			}
		}
		if found == 2 {
			return version, nil
		}
	}
	return "", nil
}

// objects are the imports and exports of one dialect as this cluster has them, kept
// up by watches.
type objects struct {
	*dialect
	version string
	client  dynamic.Interface
	seen    [2]cache.GenericLister
	synced  []cache.InformerSynced
	close   func()
}

// Places in objects.seen.
const (
	ofImports = iota
	ofExports
)

// watch begins to keep up the objects of a dialect. Changed is called after every
// change.
func (d *dialect) watch(ctx context.Context, client dynamic.Interface, version string, changed func()) (*objects, error) {
	ctx, cancel := context.WithCancel(ctx)
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	out := &objects{dialect: d, version: version, client: client}
	var group sync.WaitGroup
	out.close = func() {
		cancel()
		factory.Shutdown()
		group.Wait()
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
	}
	for i, resource := range []schema.GroupVersionResource{ofImports: d.imports(version), ofExports: d.exports(version)} {
		informer := factory.ForResource(resource)
		registration, err := informer.Informer().AddEventHandler(handler)
		if err != nil {
			out.close()
			return nil, fmt.Errorf("watch %s: %w", resource.GroupResource(), err)
		}
		out.seen[i], out.synced = informer.Lister(), append(out.synced, registration.HasSynced)
	}
	factory.Start(ctx.Done())
	group.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), out.synced...) {
			changed() // nobody says so where there is nothing
		}
	})
	return out, nil
}

// known reports whether all objects have been read.
func (o *objects) known() bool {
	for _, synced := range o.synced {
		if !synced() {
			return false
		}
	}
	return true
}

// list is all imports, or all exports, by name.
func (o *objects) list(which int) (map[model.ServiceKey]*unstructured.Unstructured, error) {
	all, err := o.seen[which].List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list objects of %s: %w", o.group, err)
	}
	out := make(map[model.ServiceKey]*unstructured.Unstructured, len(all))
	for _, one := range all {
		if object, ok := one.(*unstructured.Unstructured); ok {
			out[model.ServiceKey{Namespace: object.GetNamespace(), Name: object.GetName()}] = object
		}
	}
	return out, nil
}

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
