package discovery

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// translation keeps what each service was translated to, so that a change costs
// what it changes. It is the loop's alone.
type translation struct {
	from   model.Vantage
	trust  string
	roots  []byte
	budget int
	// prefer is which members' endpoints are used first where no exporter says so.
	prefer model.Preference
	// admit are the members that may call a service, where not all may.
	admit    map[model.ServiceKey][]model.MemberName
	view     *model.View
	ports    map[model.PortKey]uint16
	checked  map[model.PortKey]bool
	services map[model.ServiceKey]translate.Set
	// flawed are services with problems, of which there are few.
	flawed map[model.ServiceKey]struct{}
	shared translate.Set
	// partings are by the name of their cluster.
	partings map[string]parting
}

// change is what the gateways are to be told.
type change struct {
	// endpoints are those of changed services: they go first, by themselves.
	endpoints []*eds.Assignment
	// whole is set where more than endpoints may differ.
	whole bool
}

// inputs are what a translation depends on besides the services.
type inputs struct {
	view  *model.View
	ports map[model.PortKey]uint16
	roots []byte
	now   time.Time
}

// update translates what differs: the services named, those whose listeners or checks are
// others than before, or all of them where members or roots are.
func (t *translation) update(in inputs, changed map[model.ServiceKey]struct{}) change {
	view, ports := in.view, in.ports
	all := t.view == nil || !sameMap(t.view.Members, view.Members) || !bytes.Equal(t.roots, in.roots)
	// A service with an audience of its own has its own chains in the listener.
	for key := range t.admit {
		if _, differs := changed[key]; differs {
			all = true
		}
	}
	options := translate.Options{TrustDomain: t.trust, Roots: in.roots, Listeners: ports, Clients: t.clients(view), Prefer: t.prefer}
	checked, led := t.checked, map[model.ServiceKey]struct{}{}
	if otherPorts := !sameMap(t.ports, ports); all || otherPorts || t.exportedOtherwise(view, changed) {
		checked = translate.WithinBudget(view, t.from, options, t.budget)
		for key := range dirty.Between(t.ports, ports) {
			led[key.Service] = struct{}{}
		}
		for key := range dirty.Between(t.checked, checked) {
			led[key.Service] = struct{}{}
		}
	}
	options.EndToEnd = checked
	last := t.view
	t.view, t.ports, t.checked, t.roots = view, ports, checked, in.roots
	if all {
		t.rebuild(view, options, in.now)
		t.parted(in.now)
		return change{whole: true}
	}
	out := change{whole: t.parted(in.now) || len(led) > 0}
	for key := range led {
		t.one(view, key, options, in.now, &out)
	}
	for key := range changed {
		if _, done := led[key]; done {
			continue
		}
		if service := view.Services.Get(key); translate.SameButEndpoints(last.Services.Get(key), service) {
			t.reassign(view, service, options, &out)
		} else {
			t.one(view, key, options, in.now, &out)
		}
	}
	return out
}

// sameMap is maps.Equal, at no cost where it is one map.
func sameMap[K, V comparable](a, b map[K]V) bool { return oneMap(a, b) || maps.Equal(a, b) }

// oneMap reports whether both are the same in memory: none is changed that was handed on.
func oneMap[M ~map[K]V, K comparable, V any](a, b M) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}

// exportedOtherwise reports whether a changed service has other exporters than before:
// what is checked end to end depends on those of all.
func (t *translation) exportedOtherwise(view *model.View, changed map[model.ServiceKey]struct{}) bool {
	for key := range changed {
		before, after := t.view.Services.Get(key), view.Services.Get(key)
		if (before == nil) != (after == nil) || before != nil && !slices.Equal(before.Exporters, after.Exporters) {
			return true
		}
	}
	return false
}

// clients are the identities that may call a service, where not all may.
func (t *translation) clients(view *model.View) map[model.ServiceKey][]string {
	out := make(map[model.ServiceKey][]string, len(t.admit))
	for key, names := range t.admit {
		identities := []string{}
		for _, name := range names {
			if member := view.Members[name]; member != nil {
				identities = append(identities, member.Identity)
			}
		}
		out[key] = identities
	}
	return out
}

func (t *translation) rebuild(view *model.View, options translate.Options, now time.Time) {
	t.shared = translate.Inbound(view, t.from, options)
	peers := translate.Peers(view, t.from, options)
	t.shared.Clusters = append(t.shared.Clusters, peers.Clusters...)
	t.shared.Endpoints = append(t.shared.Endpoints, peers.Endpoints...)
	t.shared.Secrets = append(t.shared.Secrets, peers.Secrets...)
	t.shared.Problems = append(t.shared.Problems, peers.Problems...)
	before := t.services
	t.services, t.flawed = make(map[model.ServiceKey]translate.Set, view.Services.Len()), map[model.ServiceKey]struct{}{}
	for service := range view.Services.All() {
		t.put(service.Key, kept(before[service.Key], translate.Service(view, service, t.from, options)))
		t.part(service.Key, before[service.Key], t.services[service.Key], now)
	}
	for key, set := range before {
		if _, stays := t.services[key]; !stays {
			t.part(key, set, translate.Set{}, now)
		}
	}
}

// put notes what a service was translated to.
func (t *translation) put(key model.ServiceKey, set translate.Set) {
	t.services[key] = set
	if delete(t.flawed, key); len(set.Problems) > 0 {
		t.flawed[key] = struct{}{}
	}
}

// kept has what is the same as before be the same in memory: it is not sent, and whoever
// sent it has it.
func kept(before, after translate.Set) translate.Set {
	for i, one := range after.Endpoints {
		if i < len(before.Endpoints) && one.Equal(before.Endpoints[i]) {
			after.Endpoints[i] = before.Endpoints[i]
		}
	}
	return after
}

// reassign translates the endpoints of a service of which nothing else differs.
func (t *translation) reassign(view *model.View, service *model.Service, options translate.Options, out *change) {
	before := t.services[service.Key]
	after := kept(before, translate.Reassign(view, service, t.from, options, before))
	t.put(service.Key, after)
	out.endpoints = append(out.endpoints, after.Endpoints...)
}

// one translates a service again.
func (t *translation) one(view *model.View, key model.ServiceKey, options translate.Options, now time.Time, out *change) {
	before := t.services[key]
	service := view.Services.Get(key)
	if service == nil {
		delete(t.services, key)
		delete(t.flawed, key)
		t.part(key, before, translate.Set{}, now)
		out.whole = out.whole || len(before.Clusters)+len(before.Listeners) > 0
		return
	}
	after := kept(before, translate.Service(view, service, t.from, options))
	t.put(key, after)
	t.part(key, before, after, now)
	out.endpoints = append(out.endpoints, after.Endpoints...)
	out.whole = out.whole || !sameNames(before, after)
}

// sameNames reports whether two translations of a service have the same
// resources but for endpoints. The name of a cluster's endpoints holds a hash of
// the cluster, and a listener follows from its cluster and port.
func sameNames(a, b translate.Set) bool {
	return slices.EqualFunc(a.Endpoints, b.Endpoints, func(x, y *eds.Assignment) bool { return x.Name == y.Name }) && len(a.Listeners) == len(b.Listeners)
}

// set is everything the gateways of the own member are to have.
func (t *translation) set() publish.Set {
	out := publish.Set{
		Endpoints: slices.Clone(t.shared.Endpoints), Clusters: slices.Clone(t.shared.Clusters), Listeners: slices.Clone(t.shared.Listeners),
	}
	for _, one := range t.services {
		out.Endpoints = append(out.Endpoints, one.Endpoints...)
		out.Clusters = append(out.Clusters, one.Clusters...)
		out.Listeners = append(out.Listeners, one.Listeners...)
	}
	t.addPartings(&out)
	return out
}

// problems are those of all services and members.
func (t *translation) problems() []translate.Problem {
	out := slices.Clone(t.shared.Problems)
	for key := range t.flawed {
		out = append(out, t.services[key].Problems...)
	}
	return out
}
