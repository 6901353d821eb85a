package translate

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// group is endpoints of one member in one place.
type group struct {
	region string
	zone   string
	pods   []netip.AddrPort
	// each is the weight of a pod.
	each uint32
	// gateways stand for pods of another network, each for as many as its weight.
	gateways []netip.AddrPort
	weights  []uint32
}

// inboundShares are the own member's pods.
func inboundShares(view *model.View, service *model.Service, port model.Port, from model.Vantage) []share {
	var shares []share
	for i := range service.Backends {
		if member := view.Members[from.Member]; member != nil && service.Backends[i].Member == from.Member {
			// Whoever enters was sent here: the others' shares are no matter any more.
			shares = append(shares, shareOf(member, &service.Backends[i], port, 0, 1))
		}
	}
	return shares
}

// egressShares are all members' endpoints as seen from a gateway: pods on the own
// network, elsewhere that member's gateways.
func egressShares(view *model.View, service *model.Service, port model.Port, from model.Vantage, options Options) []share {
	shares := make([]share, 0, len(service.Backends))
	for i := range service.Backends {
		member := view.Members[service.Backends[i].Member]
		each := service.Backends[i].Share.Each()
		if member == nil || each == 0 {
			continue
		}
		one := shareOf(member, &service.Backends[i], port, distance(member, from, service.Traits.Prefer.Or(options.Prefer)), each)
		if member.Network != from.Network {
			to, dialled := remoteOf(member, from, options)
			if !dialled || len(to.gateways) == 0 {
				continue
			}
			one.gateways = to.gateways
		}
		shares = append(shares, one)
	}
	return shares
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

// pod is one address with its place.
type pod struct {
	addr netip.AddrPort
	zone model.Zone
}

// podsOf are the pods of a member that serve a port, in order. Of a dual-stack
// service only IPv4 is used, so that each pod counts once.
func podsOf(all []*model.Slice, port model.Port) []pod {
	health, usable := model.Usable(all)
	if !usable {
		return nil
	}
	total := 0
	for _, slice := range all {
		total += slice.Endpoints.Len()
	}
	pods, v4 := make([]pod, 0, total), false
	for _, slice := range all {
		at := slices.IndexFunc(slice.Ports, func(of model.Port) bool { return of.Name == port.Name && of.Protocol == port.Protocol })
		if at < 0 || slice.Ports[at].Number == 0 {
			continue
		}
		for _, endpoint := range slice.Endpoints.All() {
			if endpoint.Health != health || !dialable(endpoint.Addr) {
				continue
			}
			one := pod{addr: netip.AddrPortFrom(endpoint.Addr, slice.Ports[at].Number), zone: endpoint.Zone}
			v4 = v4 || one.addr.Addr().Is4()
			pods = append(pods, one)
		}
	}
	if v4 {
		pods = slices.DeleteFunc(pods, func(p pod) bool { return !p.addr.Addr().Is4() })
	}
	slices.SortFunc(pods, func(a, b pod) int {
		if order := a.addr.Compare(b.addr); order != 0 {
			return order
		}
		return compareZones(a.zone, b.zone)
	})
	// An address may be in two slices for a moment while the second replaces the first.
	return slices.CompactFunc(pods, func(a, b pod) bool { return a.addr == b.addr })
}

// zoneName is a zone's name as it can be told.
func zoneName(zone model.Zone) string {
	return strings.ToValidUTF8(zone.Value(), "")
}

func compareZones(a, b model.Zone) int {
	if a == b {
		return 0
	}
	return cmp.Or(cmp.Compare(zoneName(a), zoneName(b)), cmp.Compare(a.Value(), b.Value()))
}

// podGroups splits a member's pods by zone, in order; within one they stay as they were.
func podGroups(member *model.Member, pods []pod, each uint32) []group {
	next := map[model.Zone]int{} // how many there are; later where the next one goes
	for i := range pods {
		next[pods[i].zone]++
	}
	zones := slices.SortedFunc(maps.Keys(next), compareZones)
	addresses, groups, begin := make([]netip.AddrPort, len(pods)), make([]group, 0, len(zones)), 0
	for _, zone := range zones {
		end, name := begin+next[zone], zoneName(zone)
		if last := len(groups) - 1; last >= 0 && groups[last].zone == name {
			groups[last].pods = groups[last].pods[:len(groups[last].pods)+end-begin]
		} else {
			groups = append(groups, group{region: member.Region, zone: name, pods: addresses[begin:end], each: each})
		}
		next[zone], begin = begin, end
	}
	for i := range pods {
		at := next[pods[i].zone]
		addresses[at], next[pods[i].zone] = pods[i].addr, at+1
	}
	return groups
}

// gatewayGroup stands for a number of pods behind a member's gateways. Each
// gateway has an equal share of them, and no less than one.
func gatewayGroup(member *model.Member, gateways []netip.AddrPort, pods int, each uint32) group {
	out := group{region: member.Region, gateways: gateways, weights: make([]uint32, len(gateways))}
	for i := range gateways {
		share := pods / len(gateways)
		if i < pods%len(gateways) {
			share++
		}
		out.weights[i] = uint32(min(uint64(max(share, 1))*uint64(each), math.MaxUint32))
	}
	return out
}

// locality is a group as Envoy knows it. In a cluster with active checks pods are to be
// exempt: the checks are meant for gateways and would reach the pods in clear.
func (g *group) locality(member model.MemberName, priority uint32, exempt bool) eds.Locality {
	// The member is named so that whoever reads an Envoy's endpoints sees whose they are.
	place := eds.Locality{Region: g.region, Zone: g.zone, SubZone: string(member), Priority: priority}
	if len(g.gateways) > 0 {
		place.Hosts, place.Weights, place.Gateway = g.gateways, g.weights, string(member)
		return place
	}
	place.Hosts, place.Unchecked = g.pods, exempt
	if g.each > 1 { // 1 is what Envoy assumes
		place.Weight = g.each
	}
	return place
}
