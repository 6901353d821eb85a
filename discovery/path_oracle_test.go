package discovery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// The oracle says what a gateway must have, from nothing but a list of facts: what each
// member published. It is written from what docs/agent.md promises, with no thought for
// cost, and shares no code with merge or translate.

// facts are what one member publishes. They are never changed, but replaced.
type facts struct {
	// services are the number of a set of ports, by name.
	services map[string]int
	// exports are by name: in which dialects, and with what weight.
	exports map[string]exported
	slices  map[slot]published
}

type exported struct {
	upstream, gke bool
	weight        string
}

// slot is a slice: its member, the service it is of, and its number.
type slot struct {
	member  model.MemberName
	service string
	number  int
}

// published is a slice: its endpoints, by their place, with addresses that follow from
// its generation.
type published struct {
	generation int
	health     []model.Health
}

// origin is where an address is from.
type origin struct {
	slot
	generation int
}

func newFacts() facts {
	return facts{services: map[string]int{}, exports: map[string]exported{}, slices: map[slot]published{}}
}

func (f facts) clone() facts {
	return facts{services: maps.Clone(f.services), exports: maps.Clone(f.exports), slices: maps.Clone(f.slices)}
}

// portSets are the ports that Services have; the last clashes with the others.
var portSets = [][]model.Port{
	{{Name: "http", Number: 80}},
	{{Name: "http", Number: 80}, {Name: "admin", Number: 90}},
	{{Name: "http", Number: 81}},
}

// podPorts are what pods listen on, by the port's name.
var podPorts = map[string]int{"http": 8080, "admin": 9091}

// offered are the slots of a service's endpoints that count, within the quotas.
type offered struct {
	ports  []model.Port
	weight string
	// endpoints are by address.
	endpoints []offeredEndpoint
}

type offeredEndpoint struct {
	address string
	health  model.Health
}

// offers are what others see of facts: exports with their Services, the first ones by
// name, with the first endpoints.
func (f facts) offers() map[string]offered {
	out, room := map[string]offered{}, quotaEndpoints
	for _, name := range slices.Sorted(maps.Keys(f.exports)) {
		set, found := f.services[name]
		if !found || len(out) == quotaServices {
			continue
		}
		one := offered{ports: portSets[set]}
		if f.exports[name].upstream {
			one.weight = f.exports[name].weight
		}
		for _, at := range sortedSlots(f.slices) {
			if at.service != name {
				continue
			}
			for i, health := range f.slices[at].health {
				if room > 0 {
					one.endpoints = append(one.endpoints, offeredEndpoint{addressOf(at.member, f.slices[at].generation, i), health})
					room--
				}
			}
		}
		out[name] = one
	}
	return out
}

func sortedSlots(all map[slot]published) []slot {
	return slices.SortedFunc(maps.Keys(all), func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.service, b.service), cmp.Compare(a.number, b.number))
	})
}

// addressOf is that of an endpoint; no two generations share one.
func addressOf(member model.MemberName, generation, place int) string {
	number := generation*16 + place
	return fmt.Sprintf("10.%d.%d.%d", 1+slices.Index(append([]model.MemberName{ownName}, peerNames...), member), number/256%256, number%256)
}

// usable are the addresses that are used: those that are ready, or that end and still
// serve where none is ready.
func (o offered) usable() []string {
	for _, health := range []model.Health{model.Serving, model.Draining} {
		var found []string
		for _, one := range o.endpoints {
			if one.health == health {
				found = append(found, one.address)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// each is the weight of every endpoint; 0: it gets nothing.
func (o offered) each() uint32 {
	switch o.weight {
	case "0":
		return 0
	case "3":
		return 3
	}
	return 1
}

// mesh is what is known of all members, and of whom everybody is told how to reach him.
type mesh struct {
	networks, gateways map[model.MemberName]string
	known              map[model.MemberName]facts
	// order says who has his way, of each service's exporters.
	order func(service string, exporters []model.MemberName) []model.MemberName
	// anyway has the gateway carry also what clients could reach by themselves: another
	// replica may know why.
	anyway bool
}

// wanted are the endpoints of every cluster of the own gateway.
func (m mesh) wanted() map[string][]host {
	out := map[string][]host{}
	all := map[string]map[model.MemberName]offered{}
	for member, facts := range m.known {
		for name, one := range facts.offers() {
			if all[name] == nil {
				all[name] = map[model.MemberName]offered{}
			}
			all[name][member] = one
		}
		if m.networks[member] != m.networks[ownName] {
			out["gateway|"+string(member)] = []host{{string(member), m.gateways[member], 1, 0}}
		}
	}
	for name, offers := range all {
		exporters := slices.Sorted(maps.Keys(offers))
		ports, wins := winners(m.order(name, exporters), offers)
		away := slices.ContainsFunc(exporters, func(one model.MemberName) bool { return m.networks[one] != m.networks[ownName] })
		for _, port := range ports {
			if own, exports := offers[ownName]; exports {
				hosts := []host{}
				if slices.Contains(wins[ownName], port.Name) {
					hosts = pods(ownName, own, port, 1)
				}
				out[fmt.Sprintf("outbound_.%d_._.%s.%s.svc.cluster.local", port.Number, name, namespace)] = hosts
			}
			if !away && !m.anyway {
				continue // clients reach the pods by themselves
			}
			hosts := []host{}
			for _, member := range exporters {
				if slices.Contains(wins[member], port.Name) {
					hosts = append(hosts, m.reach(member, offers[member], port)...)
				}
			}
			out[fmt.Sprintf("egress|%d|%s.%s", port.Number, name, namespace)] = hosts
		}
	}
	return out
}

// winners are the ports of a service, and which of them each exporter serves: whoever
// comes later loses a port that clashes (KEP-1645).
func winners(order []model.MemberName, offers map[model.MemberName]offered) (ports []model.Port, wins map[model.MemberName][]string) {
	wins = map[model.MemberName][]string{}
	for _, member := range order {
		for _, port := range offers[member].ports {
			clash := slices.IndexFunc(ports, func(known model.Port) bool { return known.Name == port.Name || known.Number == port.Number })
			if clash < 0 {
				ports = append(ports, port)
			}
			if clash < 0 || ports[clash] == port {
				wins[member] = append(wins[member], port.Name)
			}
		}
	}
	return ports, wins
}

func pods(member model.MemberName, from offered, port model.Port, each uint32) []host {
	hosts := []host{}
	for _, address := range from.usable() {
		hosts = append(hosts, host{string(member), fmt.Sprintf("%s:%d", address, podPorts[port.Name]), each, 0})
	}
	slices.SortFunc(hosts, func(a, b host) int { return cmp.Compare(a.address, b.address) })
	return hosts
}

// reach are a member's endpoints from here: its pods, or its gateway in their place.
func (m mesh) reach(member model.MemberName, from offered, port model.Port) []host {
	count := uint32(len(from.usable()))
	switch {
	case from.each() == 0 || count == 0:
		return nil
	case m.networks[member] == m.networks[ownName]:
		return pods(member, from, port, from.each())
	}
	return []host{{string(member), m.gateways[member], count * from.each(), 0}}
}
