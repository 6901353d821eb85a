package translate

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// remote is a member of another network, as the gateway dials it.
type remote struct {
	name     model.MemberName
	identity string
	gateways []netip.AddrPort
}

// remoteOf says how a member is dialled; it is false where it cannot be, because
// it is on the own network or has no identity to expect.
func remoteOf(member *model.Member, from model.Vantage, options Options) (remote, bool) {
	if member == nil || member.Network == from.Network || !inDomain(member.Identity, options.TrustDomain) {
		return remote{}, false
	}
	return remote{name: member.Name, identity: member.Identity, gateways: gatewaysOf(member)}, true
}

// gatewaysOf are the addresses of a member's gateways that can be dialled.
func gatewaysOf(member *model.Member) []netip.AddrPort {
	var found []netip.AddrPort
	for _, gateway := range member.Gateways {
		if ip, isIP := gateway.IP(); isIP && dialable(ip) && gateway.Port != 0 {
			found = append(found, netip.AddrPortFrom(ip.Unmap(), gateway.Port))
		}
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return slices.Compact(found)
}

// dialable leaves out scoped addresses, which mean nothing elsewhere, and those
// that are no host's.
func dialable(ip netip.Addr) bool {
	return ip.IsValid() && ip.Zone() == "" && !ip.IsUnspecified() && !ip.IsMulticast()
}

// membersOf are the view's members in order.
func membersOf(view *model.View) []*model.Member {
	members := make([]*model.Member, 0, len(view.Members))
	for _, member := range view.Members {
		members = append(members, member)
	}
	slices.SortFunc(members, func(a, b *model.Member) int { return cmp.Compare(a.Name, b.Name) })
	return members
}

// Peers checks the gateways of every member of another network, whatever services
// there are: one cluster for each, whose endpoints are the gateways and whose
// health is the link's. No listener leads to them.
func Peers(view *model.View, from model.Vantage, options Options) Set {
	var set Set
	for _, member := range membersOf(view) {
		if member.Network == from.Network {
			continue
		}
		set.Problems = append(set.Problems, memberProblems(member, options)...)
		to, dialled := remoteOf(member, from, options)
		if !dialled {
			continue
		}
		cluster := peerCluster(to)
		one := share{contribution: contribution{member: member, pods: 1, each: 1}, gateways: to.gateways}
		set.addAssigned(assigned{Assignment: fitted(set.addNamed(cluster), []share{one}, checked(cluster))})
	}
	return set
}

// memberProblems says why a member of another network is not dialled, or not at
// all of its addresses.
func memberProblems(member *model.Member, options Options) []Problem {
	var found []Problem
	if !inDomain(member.Identity, options.TrustDomain) {
		found = append(found, memberProblem(member.Name, IdentityInvalid,
			"identity %q is none of trust domain %s; nothing is sent to this member", member.Identity, options.TrustDomain))
	}
	if len(gatewaysOf(member)) == 0 {
		found = append(found, memberProblem(member.Name, GatewayMissing, "no gateway address of network %s can be dialled", member.Network))
	}
	return found
}

// clients are the identities of the other members' gateways, in order.
func clients(view *model.View, from model.Vantage, options Options) []string {
	var identities []string
	for _, member := range view.Members {
		if member.Name != from.Member && inDomain(member.Identity, options.TrustDomain) {
			identities = append(identities, member.Identity)
		}
	}
	slices.Sort(identities)
	return slices.Compact(identities)
}

// clientsOf are the identities that a service admits. restricted is false where
// they are those of clients.
func clientsOf(view *model.View, key model.ServiceKey, from model.Vantage, options Options) (identities []string, restricted bool) {
	all := clients(view, from, options)
	named, restricted := options.Clients[key]
	if !restricted {
		return all, false
	}
	return slices.DeleteFunc(all, func(identity string) bool { return !slices.Contains(named, identity) }), true
}
