package translate

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// group is endpoints of one member in one place.
type group struct {
	member   model.MemberName
	region   string
	zone     string
	priority uint32
	pods     []netip.AddrPort
	// each is the weight of a pod.
	each uint32
	// gateways stand for pods of another network, each for as many as its weight.
	gateways []netip.AddrPort
	weights  []uint32
}

// inboundGroups are the own member's pods.
func inboundGroups(view *model.View, service *model.Service, port model.Port, from model.Vantage) []group {
	var groups []group
	for i := range service.Backends {
		if member := view.Members[from.Member]; member != nil && service.Backends[i].Member == from.Member {
			// Whoever enters was sent here: the others' shares are no matter any more.
			groups = podGroups(member, podsOf(&service.Backends[i], port), 0, 1)
		}
	}
	return groups
}

// egressGroups are all members' endpoints as seen from a gateway: pods on the own
// network, elsewhere that member's gateways.
func egressGroups(view *model.View, service *model.Service, port model.Port, from model.Vantage, options Options) []group {
	var groups []group
	for i := range service.Backends {
		member := view.Members[service.Backends[i].Member]
		each := service.Backends[i].Share.Each()
		if member == nil || each == 0 {
			continue
		}
		pods := podsOf(&service.Backends[i], port)
		priority := distance(member, from, service.Traits.Prefer.Or(options.Prefer))
		if member.Network == from.Network {
			groups = append(groups, podGroups(member, pods, priority, each)...)
			continue
		}
		if to, dialled := remoteOf(member, from, options); dialled && len(pods) > 0 && len(to.gateways) > 0 {
			groups = append(groups, gatewayGroup(to, member.Region, priority, len(pods), each))
		}
	}
	closeGaps(groups)
	fit(groups)
	return groups
}

// distance is the priority of a member's endpoints before gaps are closed. A
// demoted member comes one later than it would.
func distance(member *model.Member, from model.Vantage, prefer model.Preference) uint32 {
	distance := prefer.Rank(member, from)
	if member.Demoted {
		distance++
	}
	return uint32(distance)
}

// closeGaps makes priorities start at 0 and leave none out, as Envoy demands.
func closeGaps(groups []group) {
	var used []uint32
	for _, one := range groups {
		used = append(used, one.priority)
	}
	slices.Sort(used)
	used = slices.Compact(used)
	for i := range groups {
		at, _ := slices.BinarySearch(used, groups[i].priority)
		groups[i].priority = uint32(at)
	}
}

// fit scales weights down where those of one locality add up to more than Envoy takes,
// 32 bits, all by the same factor. None becomes 0, which no endpoint can have.
func fit(groups []group) {
	var most uint64
	for i := range groups {
		total := uint64(groups[i].each) * uint64(len(groups[i].pods))
		for _, weight := range groups[i].weights {
			total += uint64(weight)
		}
		most = max(most, total)
	}
	if most <= math.MaxUint32 {
		return
	}
	factor := most/math.MaxUint32 + 1
	scaled := func(weight uint32) uint32 { return uint32(max(uint64(weight)/factor, 1)) }
	for i := range groups {
		groups[i].each = scaled(groups[i].each)
		for j, weight := range groups[i].weights {
			groups[i].weights[j] = scaled(weight)
		}
	}
}

// pod is one address with its place.
type pod struct {
	addr netip.AddrPort
	zone model.Zone
}

// podsOf are the pods of a backend that serve a port, in order. Of a dual-stack
// service only IPv4 is used, so that each pod counts once.
func podsOf(backend *model.Backend, port model.Port) []pod {
	health, usable := model.Usable(backend.Slices)
	if !usable || !slices.Contains(backend.Ports, port.Name) {
		return nil
	}
	var v4, v6 []pod
	for _, slice := range backend.Slices {
		at := slices.IndexFunc(slice.Ports, func(of model.Port) bool { return of.Name == port.Name && of.Protocol == port.Protocol })
		if at < 0 || slice.Ports[at].Number == 0 {
			continue
		}
		for i := range slice.Endpoints {
			endpoint := &slice.Endpoints[i]
			if endpoint.Health != health || !dialable(endpoint.Addr) {
				continue
			}
			one := pod{addr: netip.AddrPortFrom(endpoint.Addr.Unmap(), slice.Ports[at].Number), zone: endpoint.Zone}
			if one.addr.Addr().Is4() {
				v4 = append(v4, one)
			} else {
				v6 = append(v6, one)
			}
		}
	}
	pods := v4
	if len(v4) == 0 {
		pods = v6
	}
	slices.SortFunc(pods, func(a, b pod) int {
		if order := a.addr.Compare(b.addr); order != 0 {
			return order
		}
		return cmp.Compare(zoneName(a.zone), zoneName(b.zone))
	})
	// An address may be in two slices for a moment while the second replaces the first.
	return slices.CompactFunc(pods, func(a, b pod) bool { return a.addr == b.addr })
}

// zoneName is a zone's name; the zero value of the handle has none to give.
func zoneName(zone model.Zone) string {
	if zone == (model.Zone{}) {
		return ""
	}
	return strings.ToValidUTF8(zone.Value(), "")
}

// podGroups splits a member's pods by zone.
func podGroups(member *model.Member, pods []pod, priority, each uint32) []group {
	zones := map[string][]netip.AddrPort{}
	for _, one := range pods {
		name := zoneName(one.zone)
		zones[name] = append(zones[name], one.addr)
	}
	groups := make([]group, 0, len(zones))
	for zone, pods := range zones {
		groups = append(groups, group{member: member.Name, region: member.Region, zone: zone, priority: priority, pods: pods, each: each})
	}
	return groups
}

// gatewayGroup stands for a number of pods behind a member's gateways. Each
// gateway has an equal share of them, and no less than one.
func gatewayGroup(to remote, region string, priority uint32, pods int, each uint32) group {
	out := group{member: to.name, region: region, priority: priority, gateways: to.gateways, weights: make([]uint32, len(to.gateways))}
	for i := range to.gateways {
		share := pods / len(to.gateways)
		if i < pods%len(to.gateways) {
			share++
		}
		out.weights[i] = uint32(min(uint64(max(share, 1))*uint64(each), math.MaxUint32))
	}
	return out
}

// assignment is the endpoints of a cluster. In one with active checks pods are to be
// exempt: the checks are meant for gateways and would reach the pods in clear.
func assignment(name string, groups []group, exempt bool) *eds.Assignment {
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.member, b.member), cmp.Compare(a.zone, b.zone))
	})
	localities := make([]eds.Locality, 0, len(groups))
	for _, one := range groups {
		// The member is named so that whoever reads an Envoy's endpoints sees whose they are.
		place := eds.Locality{Region: one.region, Zone: one.zone, SubZone: string(one.member), Priority: one.priority}
		if len(one.gateways) > 0 {
			place.Hosts, place.Weights, place.Gateway = one.gateways, one.weights, string(one.member)
		} else {
			place.Hosts, place.Unchecked = one.pods, exempt
			if one.each > 1 { // 1 is what Envoy assumes
				place.Weight = one.each
			}
		}
		localities = append(localities, place)
	}
	return eds.Encode(name, localities)
}
