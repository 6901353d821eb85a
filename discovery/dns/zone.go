package dns

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Source is what a zone is made from.
type Source struct {
	View *model.View
	// Complete is true where what is not in the view is known not to exist. Where it
	// is false such names are answered by a failure, which nobody remembers for long.
	Complete bool
	// From is who asks: what can be called without gateways from there comes first.
	From model.Vantage
	// Prefer is which members' endpoints names lead to first, where no exporter says
	// so.
	Prefer model.Preference
	// Addresses are those of a service of type ClusterSetIP in this cluster, which are
	// not changed once they were returned. A service without any has no name.
	Addresses func(model.ServiceKey) []netip.Addr
	// Namespace reports whether this cluster has a namespace: services exist here
	// only where it does (KEP-1645).
	Namespace func(name string) bool
	// Servers are the addresses at which clients of this cluster reach the server;
	// they may be left out.
	Servers []netip.Addr
}

// Zone is what clusterset.local holds at one moment. It is immutable; what did not
// change is shared by one zone and the next.
type Zone struct {
	complete bool
	members  map[model.MemberName]exporter
	servers  []netip.Addr
	// server is what the name server's name has.
	server node
	// spaces are the namespaces with a service, by name.
	spaces map[string]*space
	count  int
	// omitted are the endpoints without a name of their own, where a service has any.
	omitted map[model.ServiceKey]int
}

// space holds the services of a namespace.
type space struct {
	// entries are the services, by name.
	entries map[string]*entry
	// live is how many of them have a record: a namespace without any does not exist.
	live int
}

// Make makes the zone of a source. Where nothing differs, the result is the previous
// zone. Without one everything is packed.
//
// Given the previous zone, only those services are packed that differ from what it
// was made from. Of these the changed ones are looked at: all whose service in the
// view or whose addresses are other ones, in any order, and more than that does no
// harm. Nil looks at every service, which costs a few comparisons each, and is needed
// where a namespace came or went. What depends on members is found out here.
func Make(previous *Zone, in Source, changed []model.ServiceKey) *Zone {
	members := exportersOf(&in)
	if previous == nil || !slices.Equal(previous.servers, in.Servers) {
		previous, changed = empty(&in), nil
	} else if !maps.Equal(previous.members, members) {
		changed = nil
	}
	d := difference{previous: previous, in: &in, members: members, changes: map[model.ServiceKey]*entry{}}
	if changed == nil {
		d.lookAtAll()
	}
	for _, key := range changed {
		d.look(key, in.View.Services.Get(key))
	}
	if len(d.changes) == 0 && previous.complete == in.Complete && maps.Equal(previous.members, members) {
		return previous
	}
	next := *previous
	next.complete, next.members = in.Complete, members
	next.change(d.changes)
	return &next
}

func empty(in *Source) *Zone {
	// It differs from what is wanted in any case, so that a first zone is made even of
	// nothing.
	out := &Zone{complete: !in.Complete, servers: slices.Clone(in.Servers)}
	for _, address := range in.Servers {
		out.server.add(address.Unmap(), true)
	}
	return out
}

// exportersOf is what matters of each member.
func exportersOf(in *Source) map[model.MemberName]exporter {
	out := make(map[model.MemberName]exporter, len(in.View.Members))
	for name, member := range in.View.Members {
		out[name] = exporter{region: member.Region, near: member.Network == in.From.Network, demoted: member.Demoted}
	}
	return out
}

func (z *Zone) get(key model.ServiceKey) *entry {
	space := z.spaces[key.Namespace]
	if space == nil {
		return nil
	}
	return space.entries[key.Name]
}

// change sets entries in copies of what holds them.
func (z *Zone) change(changes map[model.ServiceKey]*entry) {
	if len(changes) == 0 {
		return
	}
	z.spaces = maps.Clone(z.spaces)
	if z.spaces == nil {
		z.spaces = map[string]*space{}
	}
	z.omit(changes)
	copied := map[string]*space{}
	for key, made := range changes {
		in := copied[key.Namespace]
		if in == nil {
			in = z.spaces[key.Namespace].clone()
			copied[key.Namespace], z.spaces[key.Namespace] = in, in
		}
		z.count += in.set(key.Name, made)
	}
	for name, in := range copied {
		if len(in.entries) == 0 {
			delete(z.spaces, name)
		}
	}
}

func (s *space) clone() *space {
	if s == nil {
		return &space{entries: map[string]*entry{}}
	}
	return &space{entries: maps.Clone(s.entries), live: s.live}
}

// set returns by how much the number of entries grows.
func (s *space) set(name string, made *entry) int {
	before := len(s.entries)
	if old := s.entries[name]; old != nil && old.root != nil {
		s.live--
	}
	delete(s.entries, name)
	if made != nil {
		s.entries[name] = made
		if made.root != nil {
			s.live++
		}
	}
	return len(s.entries) - before
}

// Size is how much a zone holds.
type Size struct {
	// Services are those that have a name, Records all that belong to them.
	Services, Records int
	// Omitted are endpoints without a name of their own, since it would be longer than
	// DNS allows.
	Omitted int
}

// Size is how much the zone holds.
func (z *Zone) Size() Size {
	out := Size{}
	for _, space := range z.spaces {
		out.Services += space.live
		for _, one := range space.entries {
			out.Records += one.records
			out.Omitted += one.omitted
		}
	}
	return out
}

// Omitted is how many endpoints of services have no name of their own, since it would be
// longer than DNS allows; of a service that is not there all have one. It must not be
// changed.
func (z *Zone) Omitted() map[model.ServiceKey]int { return z.omitted }

// omit notes what changes omit, in a copy where that is something else.
func (z *Zone) omit(changes map[model.ServiceKey]*entry) {
	copied := false
	for key, made := range changes {
		count := 0
		if made != nil {
			count = made.omitted
		}
		if z.omitted[key] == count {
			continue
		}
		if !copied {
			before := z.omitted
			z.omitted, copied = make(map[model.ServiceKey]int, len(before)+1), true
			maps.Copy(z.omitted, before)
		}
		if z.omitted[key] = count; count == 0 {
			delete(z.omitted, key)
		}
	}
}
