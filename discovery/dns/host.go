package dns

import (
	"cmp"
	"math"
	"net/netip"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// host is what one member has under one hostname.
type host struct {
	member   model.MemberName
	exporter exporter
	// name is the hostname, or the address where there is none.
	name      string
	addresses []netip.Addr
	health    model.Health
	// weight is 0 where nobody is led to it.
	weight uint32
	// ports are those of the pod itself, which is called without anything in between.
	ports []model.Port
}

// mostHosts is how many of a service's hosts its name leads to. 1,000 addresses of
// IPv6 fit into one answer over TCP.
const mostHosts = 1000

// hostsOf are all hosts of use of a service, the near ones first.
func hostsOf(made *origin) []*host {
	var all []*host
	for i := range made.service.Backends {
		all = append(all, hostsIn(&made.service.Backends[i], made.exporters[i])...)
	}
	slices.SortFunc(all, func(a, b *host) int {
		if a.exporter.near != b.exporter.near {
			if a.exporter.near {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.name, b.name))
	})
	return all
}

// hostsIn are those of one member.
func hostsIn(backend *model.Backend, from exporter) []*host {
	best, usable := model.Usable(backend.Slices)
	if !usable {
		return nil
	}
	var all []*host
	known := map[string]*host{}
	for _, slice := range backend.Slices {
		for i, endpoint := range slice.Endpoints.All() {
			if endpoint.Health != best {
				continue
			}
			name := slice.Hostname(i)
			if name == "" {
				name = dashed(endpoint.Addr)
			}
			one := known[name]
			if one == nil {
				one = &host{member: backend.Member, exporter: from, name: name, health: best, weight: backend.Share.Each()}
				known[name], all = one, append(all, one)
			}
			one.add(endpoint.Addr, slice.Ports, backend.Ports)
		}
	}
	return all
}

// add gives a host an address with its ports, without those that lost a conflict.
func (h *host) add(address netip.Addr, ports []model.Port, won []string) {
	if !slices.Contains(h.addresses, address) {
		h.addresses = append(h.addresses, address)
	}
	for _, port := range ports {
		if slices.Contains(won, port.Name) && !slices.Contains(h.ports, port) {
			h.ports = append(h.ports, port)
		}
	}
}

// packHosts is for headless services: their name leads to hosts, and each host has a
// name of its own.
func (e *entry) packHosts(name string, all []*host) {
	chosen := leading(all)
	if len(chosen) == 0 {
		return
	}
	e.root = &node{}
	seen := map[netip.Addr]struct{}{}
	lead := map[*host]struct{}{}
	for _, one := range chosen {
		lead[one] = struct{}{}
		for _, address := range one.addresses {
			// Two members may have the same address, each on its own network.
			if _, twice := seen[address]; !twice {
				seen[address] = struct{}{}
				e.root.add(address, one.exporter.near)
			}
		}
	}
	for _, one := range all {
		to, named := e.packHost(name, one)
		if _, leads := lead[one]; !leads || !named {
			continue
		}
		for _, port := range one.ports {
			e.packPort(name, port, to)
		}
	}
}

// leading are the hosts that the service's name leads to: those of the members that are
// preferred, and of these all that are ready, or else those that are draining. Demoted
// members count only where nobody else has any. Where there are too many, it is some of
// each member.
func leading(all []*host) []*host {
	rank := func(h *host) int {
		const drains, prefers = 1, int(model.Unready)
		rank := int(h.health)*drains + h.exporter.rank*prefers
		if h.exporter.demoted {
			rank += math.MaxInt32
		}
		return rank
	}
	best := math.MaxInt
	for _, one := range all {
		if one.weight > 0 {
			best = min(best, rank(one))
		}
	}
	var near, far []*host
	for _, one := range all {
		switch {
		case rank(one) != best || one.weight == 0:
		case one.exporter.near:
			near = append(near, one)
		default:
			far = append(far, one)
		}
	}
	near = spread(near, mostHosts)
	return append(near, spread(far, mostHosts-len(near))...)
}

// spread takes at most some of a list, evenly.
func spread(from []*host, most int) []*host {
	if len(from) <= most {
		return from
	}
	out := make([]*host, most)
	for i := range out {
		out[i] = from[i*len(from)/most]
	}
	return out
}

// packHost names a host HOST.MEMBER and HOST.MEMBER.LOCATION. It is false where
// neither can be: the service's name leads to it all the same.
func (e *entry) packHost(name string, one *host) (target, bool) {
	hostname, valid := label(one.name)
	member, also := label(string(one.member))
	short := hostname + member
	if !valid || !also || len(short) > roomBelow(name) {
		e.omitted++
		return target{}, false
	}
	at := e.at(short)
	for _, address := range one.addresses {
		at.add(address, one.exporter.near)
	}
	place, valid := location(one.exporter.region)
	if long := short + place; valid && len(long) <= roomBelow(name) {
		e.set(long, at)
	}
	return target{name: short + name + labelSvc + zoneName, at: at, near: one.exporter.near, weight: srvWeightOf(one.weight)}, true
}
