package dns

import "github.com/eastwest-mesh/eastwest/discovery/model"

// difference is what a source has that a zone has not.
type difference struct {
	previous *Zone
	in       *Source
	members  map[model.MemberName]exporter
	// changes are the entries that are other ones; nil takes one away.
	changes map[model.ServiceKey]*entry
}

// look compares one service, nil where there is none, with its entry. It reports
// whether there was one.
func (d *difference) look(key model.ServiceKey, service *model.Service) bool {
	old := d.previous.get(key)
	if service == nil || !d.in.Namespace(key.Namespace) {
		if old != nil {
			d.changes[key] = nil
		}
		return old != nil
	}
	if made := d.originOf(service); old == nil || !old.made.equal(&made) {
		d.changes[key] = pack(made)
	}
	return old != nil
}

func (d *difference) lookAtAll() {
	found := 0
	for service := range d.in.View.Services.All() {
		if d.look(service.Key, service) {
			found++
		}
	}
	if found == d.previous.count {
		return
	}
	for _, space := range d.previous.spaces {
		for _, old := range space.entries {
			if d.in.View.Services.Get(old.key) == nil {
				d.changes[old.key] = nil
			}
		}
	}
}

// originOf gathers what a service's entry depends on.
func (d *difference) originOf(service *model.Service) origin {
	out := origin{service: service}
	if service.Type == model.ClusterSetIP {
		out.addresses = d.in.Addresses(service.Key)
		return out
	}
	for i := range service.Backends {
		name := service.Backends[i].Member
		from := d.members[name]
		if member := d.in.View.Members[name]; member != nil {
			from.rank = service.Traits.Prefer.Or(d.in.Prefer).Rank(member, d.in.From)
		}
		out.exporters = append(out.exporters, from)
	}
	return out
}
