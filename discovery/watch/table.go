package watch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unsafe"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// maxDropped bounds how many objects have their drops remembered. Counters go on.
const maxDropped = 1000

// table is what a session knows of its member. It is guarded by the mutex of the
// Cluster.
type table struct {
	services map[model.ServiceKey]*service
	// exports are of the API of SIG Multicluster, gkeExports of that of GKE.
	exports, gkeExports map[model.ServiceKey]*export
	// owners says to which service a slice belongs, endpoints has the slices of a
	// service ordered by name. Both slices and their lists are immutable.
	owners    map[objectID]string
	endpoints map[model.ServiceKey][]*model.Slice
	gateway   *gateway
	// bytes is about how much memory that takes.
	bytes int
	// dirty are services that changed since the last offer.
	dirty map[model.ServiceKey]struct{}
	drops map[objectID][]Drop
	// dropped counts everything that was ever dropped, by reason.
	dropped map[string]int
	// refused is true where objects are missing because they were over the limit,
	// refusedWanted where they belong to exported services. A lean table keeps
	// nothing of others.
	refused, refusedWanted, lean bool
	// deaf has ServiceExports count for nothing.
	deaf bool
}

func newTable() *table {
	return &table{
		services: map[model.ServiceKey]*service{}, exports: map[model.ServiceKey]*export{}, gkeExports: map[model.ServiceKey]*export{},
		owners: map[objectID]string{}, endpoints: map[model.ServiceKey][]*model.Slice{},
		dirty: map[model.ServiceKey]struct{}{}, drops: map[objectID][]Drop{}, dropped: map[string]int{},
	}
}

// put keeps an object in place of the one with its name.
func (t *table) put(index int, one object) {
	t.note(index, one)
	switch index {
	case ofServices:
		t.putService(one)
	case ofSlices:
		t.putSlice(one)
	case ofExports, ofGKEExports:
		exports := t.exportsOf(index)
		if one.export == nil {
			t.remove(index, one.id)
		} else if last := exports[one.key]; last == nil || !last.equal(one.export) {
			t.bytes += one.export.size() - last.size()
			exports[one.key] = one.export
			t.dirty[one.key] = struct{}{}
		}
	case ofGateways:
		if one.gateway != nil {
			t.gateway = one.gateway
		}
	}
}

func (t *table) putService(one object) {
	last := t.services[one.key]
	switch {
	case one.service == nil:
		t.remove(ofServices, one.id)
	case last == nil || !sameService(last, one.service):
		if last != nil {
			t.bytes -= sizeOfService(last)
		}
		t.bytes += sizeOfService(one.service)
		t.services[one.key] = one.service
		t.dirty[one.key] = struct{}{}
	}
}

func (t *table) putSlice(one object) {
	if owner, found := t.owners[one.id]; found && (one.slice == nil || owner != one.key.Name) {
		t.remove(ofSlices, one.id)
	}
	if one.slice == nil {
		return
	}
	list := t.endpoints[one.key]
	at, found := find(list, one.slice.Name)
	switch {
	case found && list[at].Equal(one.slice):
		return
	case found:
		t.bytes -= sizeOfSlice(list[at])
		list = slices.Clone(list)
		list[at] = one.slice
	default:
		list = slices.Insert(slices.Clip(slices.Clone(list)), at, one.slice)
	}
	t.bytes += sizeOfSlice(one.slice)
	t.owners[objectID{one.key.Namespace, one.slice.Name}] = one.key.Name
	t.endpoints[one.key] = list
	t.dirty[one.key] = struct{}{}
}

// remove forgets an object.
func (t *table) remove(index int, id objectID) {
	delete(t.drops, dropID(index, id))
	key := model.ServiceKey{Namespace: id.namespace, Name: id.name}
	switch index {
	case ofServices:
		if last := t.services[key]; last != nil {
			t.bytes -= sizeOfService(last)
			delete(t.services, key)
			t.dirty[key] = struct{}{}
		}
	case ofExports, ofGKEExports:
		if exports := t.exportsOf(index); exports[key] != nil {
			t.bytes -= exports[key].size()
			delete(exports, key)
			t.dirty[key] = struct{}{}
		}
	case ofGateways:
		t.gateway = nil
	case ofSlices:
		t.removeSlice(id)
	}
}

func (t *table) removeSlice(id objectID) {
	owner, found := t.owners[id]
	if !found {
		return
	}
	key := model.ServiceKey{Namespace: id.namespace, Name: owner}
	list := t.endpoints[key]
	if at, found := find(list, id.name); found {
		t.bytes -= sizeOfSlice(list[at])
		if list = slices.Delete(slices.Clone(list), at, at+1); len(list) == 0 {
			delete(t.endpoints, key)
		} else {
			t.endpoints[key] = list
		}
	}
	delete(t.owners, id)
	t.dirty[key] = struct{}{}
}

// ids lists the objects of a resource.
func (t *table) ids(index int) []objectID {
	var all []objectID
	switch index {
	case ofServices:
		for key := range t.services {
			all = append(all, objectID{key.Namespace, key.Name})
		}
	case ofExports, ofGKEExports:
		for key := range t.exportsOf(index) {
			all = append(all, objectID{key.Namespace, key.Name})
		}
	case ofSlices:
		all = slices.Collect(maps.Keys(t.owners))
	case ofGateways:
		if t.gateway != nil {
			all = []objectID{t.gateway.id}
		}
	}
	return all
}

// exportsOf are those of a dialect.
func (t *table) exportsOf(index int) map[model.ServiceKey]*export {
	if index == ofGKEExports {
		return t.gkeExports
	}
	return t.exports
}

// export is what a name is exported by; nil where it is not. In both dialects it
// is one fact: the older object counts, and only one of them can have labels.
func (t *table) export(key model.ServiceKey) *export {
	one, other := t.exports[key], t.gkeExports[key]
	if t.deaf {
		return nil
	}
	if one == nil || other == nil {
		return cmp.Or(one, other)
	}
	both := *one
	both.in |= other.in
	if other.created.Before(one.created) {
		both.created = other.created
	}
	return &both
}

// note remembers what was dropped of an object.
func (t *table) note(index int, one object) {
	id := dropID(index, one.id)
	if len(one.drops) == 0 {
		delete(t.drops, id)
		return
	}
	for _, drop := range one.drops {
		t.dropped[drop.Reason]++
	}
	if _, found := t.drops[id]; found || len(t.drops) < maxDropped {
		t.drops[id] = one.drops
	}
}

// dropID keeps objects of different resources apart.
func dropID(index int, id objectID) objectID {
	return objectID{string(rune('0'+index)) + id.namespace, id.name}
}

func find(list []*model.Slice, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(s *model.Slice, name string) int { return strings.Compare(s.Name, name) })
}

func sameService(a, b *service) bool {
	return a.kind == b.kind && a.external == b.external && a.traits.Equal(b.traits) && a.excess == b.excess && a.created.Equal(b.created) && slices.Equal(a.ports, b.ports)
}

func sizeOfService(s *service) int {
	return perObject + len(s.ports)*int(unsafe.Sizeof(model.Port{}))
}

func sizeOfSlice(s *model.Slice) int {
	names := len(s.Hostnames) * int(unsafe.Sizeof(""))
	for _, name := range s.Hostnames {
		names += len(name)
	}
	return perObject + names + len(s.Ports)*int(unsafe.Sizeof(model.Port{})) + s.Endpoints.Bytes()
}

func sizeOf(list []*model.Slice) int {
	total := 0
	for _, one := range list {
		total += one.Endpoints.Len()
	}
	return total
}
