package discovery

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/probe"
	"github.com/eastwest-mesh/eastwest/discovery/resolve"
	"github.com/eastwest-mesh/eastwest/discovery/snapshot"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
)

// addressBook says which addresses the names of gateways have.
type addressBook interface {
	// Want says whose gateways matter from now on.
	Want(gateways map[model.MemberName][]model.HostPort)
	Answers() resolve.Answers
	// Changed gets a value when an answer is another one.
	Changed() <-chan struct{}
}

// prober says whether members' gateways answer.
type prober interface {
	// Result is false where nothing is known of a member.
	Result(member model.MemberName) (probe.Result, bool)
	// Changed gets a value when a member became reachable or ceased to be.
	Changed() <-chan struct{}
}

// refined are what members offer with what is known of them here: addresses in the
// place of names, and who is demoted. What has neither stays the same pointer.
type refined struct {
	shards   map[model.MemberName]*model.Shard
	problems []translate.Problem
	// answered is true once every name was looked up.
	answered bool
}

// dialled are the members on other networks that have a gateway.
func (l *loop) dialled() map[model.MemberName][]model.HostPort {
	gateways := map[model.MemberName][]model.HostPort{}
	for name, shard := range l.shards {
		if shard.Member.Network != l.translation.from.Network && len(shard.Member.Gateways) > 0 {
			gateways[name] = shard.Member.Gateways
		}
	}
	return gateways
}

// refine looks up names and links of all members. There are few of them.
func (l *loop) refine() refined {
	gateways := l.dialled()
	l.book.Want(gateways)
	answers := l.book.Answers()
	out := refined{shards: maps.Clone(l.shards), answered: true}
	for _, name := range slices.Sorted(maps.Keys(gateways)) {
		shard := l.shards[name]
		out.answered = out.answered && resolve.Answered(gateways[name], answers)
		addresses, problems := resolve.Apply(gateways[name], shard.Member.GatewayCIDRs, answers)
		if text := l.claimed(name, addresses); text != "" {
			addresses, problems = nil, []resolve.Problem{{Reason: resolve.Denied, Message: text}}
		}
		for _, one := range problems {
			out.problems = append(out.problems, translate.Problem{Reason: translate.Reason(one.Reason), Member: name, Message: one.Message})
		}
		demoted := l.demoted(shard.Member)
		if demoted == shard.Member.Demoted && slices.Equal(addresses, shard.Member.Gateways) {
			continue
		}
		member := *shard.Member
		member.Gateways, member.Demoted = addresses, demoted
		out.shards[name] = &model.Shard{Member: &member, Services: shard.Services}
	}
	return out
}

// claimed says which of a member's addresses somebody else declared; empty where none.
// A member with CIDRs of its own was held to these before, and no two may overlap.
func (l *loop) claimed(name model.MemberName, addresses []model.HostPort) string {
	if len(l.shards[name].Member.GatewayCIDRs) > 0 {
		return ""
	}
	for _, other := range slices.Sorted(maps.Keys(l.shards)) {
		declared := l.shards[other].Member.GatewayCIDRs
		if other == name || len(declared) == 0 {
			continue
		}
		for _, one := range addresses {
			if ip, isIP := one.IP(); isIP && model.Within(declared, ip) {
				return fmt.Sprintf("gateway %s is in the gateway CIDRs of member %s", one, other)
			}
		}
	}
	return ""
}

// demoted reports whether a member is used only where nobody else has an endpoint.
// What it offers is out of date: that alone takes nothing away, as the members may
// be fine where their API is not; but its gateway does not answer either.
func (l *loop) demoted(member *model.Member) bool {
	result, known := l.links.Result(member.Name)
	return member.State == model.Stale && known && !result.OK
}

// unrefined parts what a snapshot has into what members said and the addresses that
// their names had.
func unrefined(shards snapshot.Shards) (said snapshot.Shards, known map[string][]netip.Addr) {
	said, known = snapshot.Shards{}, map[string][]netip.Addr{}
	for name, shard := range shards {
		member := *shard.Member
		var of map[string][]netip.Addr
		member.Gateways, of = resolve.Split(member.Gateways)
		maps.Copy(known, of)
		said[name] = &model.Shard{Member: &member, Services: shard.Services}
	}
	return said, known
}
