package mcs

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
)

// served is the version in which a dialect is served with both of its kinds; empty
// where it is not.
func (d *dialect) served(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, version := range d.versions {
		list, err := client.ServerResourcesForGroupVersionWithContext(ctx, d.group+"/"+version)
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
	// due are the services whose import and export are to be looked at; one without a
	// name is all of a namespace.
	due *dirty.Set[model.ServiceKey]
	// foreign are imports that another controller wrote, by its name; owners counts them.
	foreign map[model.ServiceKey]string
	owners  map[string]int
	// stance is that of the last pass.
	stance stance
}

// Places in objects.seen.
const (
	ofImports = iota
	ofExports
)

// watch begins to keep up the objects of a dialect. Wake gets a value after every change.
func (d *dialect) watch(ctx context.Context, client dynamic.Interface, version string, wake chan struct{}) (*objects, error) {
	ctx, cancel := context.WithCancel(ctx)
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	out := &objects{
		dialect: d, version: version, client: client, due: dirty.New[model.ServiceKey](wake),
		foreign: map[model.ServiceKey]string{}, owners: map[string]int{},
	}
	var group sync.WaitGroup
	out.close = func() {
		cancel()
		factory.Shutdown()
		group.Wait()
	}
	changed := func(one any) {
		if name, err := cache.DeletionHandlingObjectToName(one); err == nil {
			out.due.Add(model.ServiceKey{Namespace: name.Namespace, Name: name.Name})
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, one any) { changed(one) }, DeleteFunc: changed}
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
			out.due.Add() // nobody says so where there is nothing
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

// get is one import or export; nil where there is none.
func (o *objects) get(which int, key model.ServiceKey) *unstructured.Unstructured {
	found, err := o.seen[which].ByNamespace(key.Namespace).Get(key.Name)
	if err != nil {
		return nil // an informer's lister knows no other failure
	}
	object, _ := found.(*unstructured.Unstructured)
	return object
}

// keys adds the names of all imports and exports, in one namespace, or in all where it
// has no name.
func (o *objects) keys(namespace string, into map[model.ServiceKey]struct{}) {
	for _, from := range o.seen {
		all, err := from.ByNamespace(namespace).List(labels.Everything())
		if err != nil {
			return // as above
		}
		for _, one := range all {
			if object, ok := one.(*unstructured.Unstructured); ok {
				into[model.ServiceKey{Namespace: object.GetNamespace(), Name: object.GetName()}] = struct{}{}
			}
		}
	}
}
