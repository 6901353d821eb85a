package derived

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// telling hands an object on as it was and as it is, as far as there was one and is one.
func telling(tell func(seen []metav1.Object)) cache.ResourceEventHandlerFuncs {
	some := func(objects ...any) {
		var seen []metav1.Object
		for _, one := range objects {
			if last, isGone := one.(cache.DeletedFinalStateUnknown); isGone {
				one = last.Obj
			}
			if object, isObject := one.(metav1.Object); isObject {
				seen = append(seen, object)
			}
		}
		tell(seen)
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(one any) { some(one) }, UpdateFunc: func(before, after any) { some(before, after) }, DeleteFunc: func(one any) { some(one) },
	}
}

// begin reads all ports, in a fixed order, as who comes first of two has one.
func (c *Cluster) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, err := c.services.List(labels.Everything())
	if err != nil {
		return // a lister of an informer never fails
	}
	slices.SortFunc(list, func(a, b *corev1.Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Annotations[v1alpha1.AnnotationService], b.Annotations[v1alpha1.AnnotationService]))
	})
	c.known = true
	for _, one := range list {
		c.claimLocked(nameOf(one))
	}
	c.wakeLocked()
	c.due.Add()
}

func nameOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}

// claimLocked reads the ports of one derived Service as it is now, which may be later
// than whoever calls was told.
func (c *Cluster) claimLocked(name types.NamespacedName) {
	var ports map[model.PortKey]uint16
	if object, err := c.services.Services(name.Namespace).Get(name.Name); err == nil {
		ports = portsOf(object)
	}
	c.holders.claim(name, ports)
}

func (c *Cluster) wakeLocked() {
	for _, wake := range c.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

func (c *Cluster) onServices(seen []metav1.Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range seen {
		if c.due.Add(nameOf(one)); c.known {
			c.claimLocked(nameOf(one))
		}
		if key, ours := serviceOf(one); ours {
			c.touchLocked(key)
		}
	}
	if c.known {
		c.wakeLocked()
	}
}

func (c *Cluster) touchLocked(key model.ServiceKey) {
	for _, set := range c.touched {
		set.Add(key)
	}
}

// onEndpoints and onSlices tell the Writer alone: nobody else reads what it wrote there.
func (c *Cluster) onEndpoints(seen []metav1.Object) {
	for _, one := range seen {
		c.due.Add(nameOf(one))
	}
}

func (c *Cluster) onSlices(seen []metav1.Object) {
	for _, one := range seen {
		if slice, isSlice := one.(*discoveryv1.EndpointSlice); isSlice {
			c.due.Add(types.NamespacedName{Namespace: slice.Namespace, Name: ownerOf(slice)})
		}
	}
}

// onGateways wakes the Writer, who finds out whether that makes a difference.
func (c *Cluster) onGateways([]metav1.Object) { c.due.Add() }

// onNamespaces counts only where objects can be made that could not, or the other way
// round: whatever else is written on a namespace is none of ours.
func (c *Cluster) onNamespaces(seen []metav1.Object) {
	if len(seen) == 2 && usable(seen[0]) == usable(seen[1]) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range seen {
		c.due.Add(types.NamespacedName{Namespace: one.GetName()})
		c.touchLocked(model.ServiceKey{Namespace: one.GetName()})
	}
	if c.known {
		c.wakeLocked()
	}
}

// usable reports whether objects can be made in a namespace: not in one that is going.
func usable(object metav1.Object) bool {
	namespace, isOne := object.(*corev1.Namespace)
	return isOne && namespace.Status.Phase != corev1.NamespaceTerminating && namespace.DeletionTimestamp == nil
}

// byOwner is the index of slices by the derived name that they belong to.
const byOwner = "owner"

func ownerIndex(object any) ([]string, error) {
	slice, isSlice := object.(*discoveryv1.EndpointSlice)
	if !isSlice {
		return nil, nil
	}
	return []string{types.NamespacedName{Namespace: slice.Namespace, Name: ownerOf(slice)}.String()}, nil
}

// slicesOf are the slices that belong to a derived name.
func (c *Cluster) slicesOf(owner types.NamespacedName) ([]*discoveryv1.EndpointSlice, error) {
	found, err := c.slices.ByIndex(byOwner, owner.String())
	if err != nil {
		return nil, fmt.Errorf("list our slices: %w", err)
	}
	out := make([]*discoveryv1.EndpointSlice, 0, len(found))
	for _, one := range found {
		if slice, isSlice := one.(*discoveryv1.EndpointSlice); isSlice {
			out = append(out, slice)
		}
	}
	return out, nil
}

// owners are the derived names that objects belong to, in one namespace, or in all where
// it has no name.
func (c *Cluster) owners(namespace string) []types.NamespacedName {
	var out []types.NamespacedName
	add := func(one any) {
		switch object := one.(type) {
		case *discoveryv1.EndpointSlice:
			out = append(out, types.NamespacedName{Namespace: object.Namespace, Name: ownerOf(object)})
		case metav1.Object:
			out = append(out, nameOf(object))
		}
	}
	for _, indexer := range c.ours {
		err := cache.ListAllByNamespace(indexer, namespace, labels.Everything(), add)
		if err != nil {
			return nil // an informer's own index never fails
		}
	}
	return out
}
