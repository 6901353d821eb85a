package derived

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// service is a derived Service with its slices, as wanted.
type service struct {
	key   model.ServiceKey
	ports []servicePort
	// headless is true where there is no Service, only slices that say where the pods
	// are: names of such a service lead to them.
	headless bool
	// families are what it asks for; none: what the cluster gives.
	families []model.Family
	// clientIP is true where a client's connections go to one endpoint, for so many
	// seconds after the last one.
	clientIP        bool
	affinitySeconds int32
	// gateway is true where the ports lead to the local gateway.
	gateway bool
	// hidden is true where sidecars must not see the Service: they know another one
	// with its addresses.
	hidden bool
	// backends are pods' addresses, by the ports they serve; none behind a gateway.
	backends []backend
}

// servicePort is a port of a derived Service and what is behind it at the
// gateway; 0 where pods are behind it.
type servicePort struct {
	model.Port
	target uint16
}

// backend is a number of addresses that serve the same ports.
type backend struct {
	// source is the member that they are of; empty where they are the local gateway's.
	source    model.MemberName
	ports     []model.Port
	endpoints []endpoint
}

type endpoint struct {
	model.Endpoint
	hostname string
}

// planned is what the view asks for under some names in the own cluster, in a fixed
// order. The ports of the gateway are those in use, and new ones for what has none; starved
// are services with a port for which none is left, which is missing.
func planned(view *model.View, keys []model.ServiceKey, from vantage, free *allocator) (list []service, starved []model.ServiceKey) {
	list = make([]service, 0, len(keys))
	for _, key := range keys {
		one := view.Services.Get(key)
		if one.Type == model.Headless {
			list = append(list, service{key: one.Key, headless: true, backends: podsOf(one)})
			continue
		}
		list = append(list, derive(view, one, from, free))
	}
	slices.SortFunc(list, func(a, b service) int { return a.key.Compare(b.key) })
	// New ports are given out in a fixed order, so that a writer that takes over
	// in between comes to the same result.
	for i := range list {
		if !list[i].allocate(free) {
			starved = append(starved, list[i].key)
		}
	}
	for i := range list {
		free.remember(list[i].key, list[i].ports)
	}
	return list, starved
}

// vantage is where derived Services are written.
type vantage struct {
	own *model.Member
	// sidecars is true where sidecars reach other networks, and no gateway of ours
	// does.
	sidecars bool
	// prefer is which members' endpoints come first where no exporter says so.
	prefer model.Preference
	// families are those that Services of this cluster can have, the preferred one first.
	families []model.Family
}

// away reports whether a member's pods cannot be reached from here.
func (v vantage) away(view *model.View, name model.MemberName) bool {
	member := view.Members[name]
	return member != nil && member.Network != v.own.Network
}

// familiesOf are the families that a derived Service asks for: those of the exporters
// that this cluster has, unless that is what it gives by itself.
func (v vantage) familiesOf(one *model.Service) []model.Family {
	var both []model.Family
	for _, family := range v.families {
		if slices.Contains(one.Traits.Families, family) {
			both = append(both, family)
		}
	}
	if len(both) == 1 && both[0] == v.families[0] {
		return nil
	}
	return both
}

// preferred are the backends that come first. kube-proxy has no priorities, so that
// others are there only while those have no endpoint of use.
func (v vantage) preferred(view *model.View, of *model.Service, backends []backend) []backend {
	rank := func(b backend) int {
		return of.Traits.Prefer.Or(v.prefer).Rank(view.Members[b.source], model.Vantage{Member: v.own.Name, Network: v.own.Network, Region: v.own.Region})
	}
	best := math.MaxInt
	for _, one := range backends {
		best = min(best, rank(one))
	}
	return slices.DeleteFunc(backends, func(b backend) bool { return rank(b) > best })
}

// derive describes a service without new ports.
func derive(view *model.View, one *model.Service, from vantage, free *allocator) service {
	away := func(name model.MemberName) bool { return from.away(view, name) }
	out := service{key: one.Key, hidden: from.sidecars, gateway: !from.sidecars && slices.ContainsFunc(one.Exporters, away)}
	out.families = from.familiesOf(one)
	out.clientIP, out.affinitySeconds = one.Traits.ClientIP, one.Traits.AffinitySeconds
	for _, port := range one.Ports {
		wanted := servicePort{Port: port}
		if out.gateway {
			// kube-proxy has no weights, so all of it goes through the gateway,
			// which carries TCP only.
			if port.Protocol != model.TCP {
				continue
			}
			wanted.target = free.has(model.PortKey{Service: one.Key, Number: port.Number})
		}
		out.ports = append(out.ports, wanted)
	}
	if !out.gateway {
		// Without a gateway of ours, pods of other networks are reached by sidecars alone.
		within := slices.DeleteFunc(podsOf(one), func(b backend) bool { return away(b.source) })
		out.backends = from.preferred(view, one, within)
	}
	return out
}

// allocate gives ports of the gateway to what has none. False: some are missing.
func (s *service) allocate(free *allocator) bool {
	if !s.gateway {
		return true
	}
	kept := s.ports[:0]
	wanted := len(s.ports)
	for _, port := range s.ports {
		if port.target == 0 {
			port.target = free.take(model.PortKey{Service: s.key, Number: port.Number})
		}
		if port.target != 0 {
			kept = append(kept, port)
		}
	}
	s.ports = kept
	return len(kept) == wanted
}

// podsOf are the usable endpoints of all exporters, by exporter and the ports they
// serve. kube-proxy has no weights, but for none at all.
func podsOf(one *model.Service) []backend {
	var out []backend
	for _, from := range one.Backends {
		if from.Share.Drained {
			continue
		}
		health, _ := model.Usable(from.Slices)
		for _, slice := range from.Slices {
			var ports []model.Port
			for _, port := range slice.Ports {
				if slices.Contains(from.Ports, port.Name) {
					ports = append(ports, port)
				}
			}
			var usable []endpoint
			for at, one := range slice.Endpoints.All() {
				if one.Health == health {
					usable = append(usable, endpoint{one, slice.Hostname(at)})
				}
			}
			if len(ports) > 0 && len(usable) > 0 {
				out = append(out, backend{source: from.Member, ports: ports, endpoints: usable})
			}
		}
	}
	return merged(out)
}

// merged joins backends of one member with the same ports, in a fixed order.
func merged(list []backend) []backend {
	byPorts := map[string]*backend{}
	var order []string
	for _, one := range list {
		slices.SortFunc(one.ports, func(a, b model.Port) int { return strings.Compare(a.Name, b.Name) })
		key := fmt.Sprint(one.source, " ", one.ports)
		if byPorts[key] == nil {
			byPorts[key] = &backend{source: one.source, ports: one.ports}
			order = append(order, key)
		}
		byPorts[key].endpoints = append(byPorts[key].endpoints, one.endpoints...)
	}
	slices.Sort(order)
	out := make([]backend, len(order))
	for i, key := range order {
		out[i] = *byPorts[key]
		slices.SortFunc(out[i].endpoints, func(a, b endpoint) int {
			return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.hostname, b.hostname))
		})
		out[i].endpoints = slices.CompactFunc(out[i].endpoints, func(a, b endpoint) bool { return a.Addr == b.Addr })
	}
	return out
}
