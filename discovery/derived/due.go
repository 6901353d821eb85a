package derived

import (
	"maps"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// basis is what a pass is made from, beside the objects of the cluster.
type basis struct {
	view            *model.View
	complete, blind bool
	// gateways are the addresses of the local gateway's pods.
	gateways []netip.Addr
}

// concernsAll reports whether something is another than before that concerns all
// services.
func (s *basis) concernsAll(before *basis) bool {
	return before == nil || s.complete != before.complete || s.blind != before.blind ||
		!slices.Equal(s.gateways, before.gateways) || !model.SamePlaces(s.view.Members, before.view.Members)
}

func derivedName(key model.ServiceKey) types.NamespacedName {
	return types.NamespacedName{Namespace: key.Namespace, Name: Name(key)}
}

// take is what a pass looks at: the derived Services of what differs between the view of
// the last pass and this one, and those that were touched; or all. What is taken and
// not brought to what it shall be must be put back.
func (w *Writer) take(now *basis) map[types.NamespacedName]struct{} {
	last := w.last
	w.last = now
	if now.concernsAll(last) {
		w.Cluster.due.AddAll()
	}
	due, all := w.Cluster.due.Take()
	if all {
		return w.everything(now.view)
	}
	for key := range last.view.Services.Different(&now.view.Services) {
		at := derivedName(key)
		due[at] = struct{}{}
		if now.view.Services.Get(key) != nil {
			w.names[at] = key
		} else {
			delete(w.names, at)
			w.forget(key)
		}
	}
	w.spread(due)
	return due
}

// forget gives back what a service had that is exported no more.
func (w *Writer) forget(key model.ServiceKey) {
	w.free.remember(key, nil)
	delete(w.starved, key)
}

// everything is all that is exported, and all that is there.
func (w *Writer) everything(view *model.View) map[types.NamespacedName]struct{} {
	w.names, w.starved = make(map[types.NamespacedName]model.ServiceKey, view.Services.Len()), map[model.ServiceKey]struct{}{}
	if w.free == nil {
		w.free = newAllocator()
	}
	for key := range maps.Clone(w.free.given) {
		if view.Services.Get(key) == nil {
			w.forget(key)
		}
	}
	due := make(map[types.NamespacedName]struct{}, view.Services.Len())
	for service := range view.Services.All() {
		at := derivedName(service.Key)
		w.names[at], due[at] = service.Key, struct{}{}
	}
	for _, at := range w.Cluster.owners("") {
		due[at] = struct{}{}
	}
	return due
}

// spread adds all that belongs to namespaces among what is due. Namespaces come and go
// rarely, so that it may look at all names.
func (w *Writer) spread(due map[types.NamespacedName]struct{}) {
	for at := range maps.Clone(due) {
		if at.Name != "" {
			continue
		}
		for name := range w.names {
			if name.Namespace == at.Namespace {
				due[name] = struct{}{}
			}
		}
		for _, name := range w.Cluster.owners(at.Namespace) {
			due[name] = struct{}{}
		}
	}
}

// plan is what the services that are due shall be, and others where they waited for a
// port and there is one.
func (w *Writer) plan(view *model.View, due map[types.NamespacedName]struct{}) []service {
	// What was taken from the cluster's reports must be read after it was taken.
	w.free.seen, _ = w.Cluster.holding()
	if !w.free.exhausted() {
		for key := range w.starved {
			due[derivedName(key)] = struct{}{}
		}
	}
	var keys []model.ServiceKey
	for at := range due {
		if key, exported := w.names[at]; exported {
			keys = append(keys, key)
		}
	}
	from := vantage{own: view.Members[w.Own], sidecars: w.Sidecars, prefer: w.Prefer, families: w.Families}
	list, starved := planned(view, keys, from, w.free)
	for _, key := range keys {
		delete(w.starved, key)
	}
	for _, key := range starved {
		w.starved[key] = struct{}{}
	}
	return list
}
