package mcs

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
)

// basis is what a pass is made from, beside the objects of the cluster.
type basis struct {
	view      *model.View
	complete  bool
	problems  map[model.ServiceKey]Problem
	unsettled map[model.ServiceKey]time.Time
	from      Vantage
}

// now is the basis of a pass; nil before there is one.
func (w *Writer) now() *basis {
	view, complete := w.View()
	if view == nil || view.Members[w.Own] == nil {
		return nil
	}
	out := &basis{view: view, complete: complete, problems: w.Problems(), from: w.Vantage(view.Members[w.Own])}
	if w.Unsettled != nil {
		out.unsettled = w.Unsettled()
	}
	return out
}

// concernsAll reports whether something is another than before that concerns all
// services.
func (s *basis) concernsAll(before *basis) bool {
	return before == nil || s.complete != before.complete || s.from.Sidecars != before.from.Sidecars ||
		!slices.Equal(s.from.Families, before.from.Families) || !model.SamePlaces(s.view.Members, before.view.Members)
}

// take is what differs between the last pass and this one, whatever the dialect; or all.
func (w *Writer) take(now *basis) (due map[model.ServiceKey]struct{}, all bool) {
	last := w.last
	w.last = now
	due, all = w.Touched.Take()
	if all || now.concernsAll(last) {
		return nil, true
	}
	for key := range last.view.Services.Different(&now.view.Services) {
		due[key] = struct{}{}
	}
	for _, other := range []iter.Seq[model.ServiceKey]{
		dirty.Between(last.problems, now.problems), dirty.Between(last.unsettled, now.unsettled), dirty.Between(last.from.Unnamed, now.from.Unnamed),
	} {
		for key := range other {
			due[key] = struct{}{}
		}
	}
	return due, false
}

// take is what a pass looks at in a dialect: what is due in all of them, and what was
// reported in this one. What is taken and not brought to what it shall be must be put
// back.
func (o *objects) take(view *model.View, also map[model.ServiceKey]struct{}, all bool) map[model.ServiceKey]struct{} {
	if all {
		o.due.AddAll()
	}
	due, all := o.due.Take()
	if all {
		return o.everything(view)
	}
	maps.Copy(due, also)
	for key := range maps.Clone(due) {
		if key.Name == "" && key.Namespace != "" {
			o.spread(view, key.Namespace, due)
		}
	}
	return due
}

// everything is all that is exported, all that is there, and what others are known to
// have written, which may be there no more.
func (o *objects) everything(view *model.View) map[model.ServiceKey]struct{} {
	all := make(map[model.ServiceKey]struct{}, view.Services.Len())
	o.spread(view, "", all)
	for key := range o.foreign {
		all[key] = struct{}{}
	}
	return all
}

// spread adds what there is of a namespace, or all where it has no name. Namespaces come
// and go rarely, so that it may look at all services.
func (o *objects) spread(view *model.View, namespace string, into map[model.ServiceKey]struct{}) {
	for service := range view.Services.All() {
		if namespace == "" || service.Key.Namespace == namespace {
			into[service.Key] = struct{}{}
		}
	}
	o.keys(namespace, into)
}
