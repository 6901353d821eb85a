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

// refinement is what is known of the members themselves. It is made from what few turns
// change, and kept: a turn costs what changed and not as much as there are members.
type refinement struct {
	// members are those as they offer themselves, and demoted those that are.
	members map[model.MemberName]*model.Member
	demoted map[model.MemberName]bool
	answers resolve.Answers

	// others are the members that are something else than they offer.
	others   map[model.MemberName]*model.Member
	problems []translate.Problem
	answered bool
	// shards are those of the others that were handed on last, by what was offered.
	shards map[*model.Shard]*model.Shard
}

// refine looks up names and links of all members.
func (l *loop) refine() refined {
	demoted, answers := l.demoted(), l.book.Answers()
	if last := l.refinement; last == nil || !last.madeFrom(l.shards) || !maps.Equal(last.demoted, demoted) || !oneMap(last.answers, answers) {
		l.refinement = l.newRefinement(demoted)
	}
	now := l.refinement
	out := refined{shards: maps.Clone(l.shards), problems: slices.Clone(now.problems), answered: now.answered}
	shards := make(map[*model.Shard]*model.Shard, len(now.others))
	for name, member := range now.others {
		offered := l.shards[name]
		one := now.shards[offered]
		if one == nil {
			one = &model.Shard{Member: member, Services: offered.Services}
		}
		out.shards[name], shards[offered] = one, one
	}
	now.shards = shards
	return out
}

// madeFrom reports whether these are the members that it was made from.
func (r *refinement) madeFrom(shards map[model.MemberName]*model.Shard) bool {
	if len(r.members) != len(shards) {
		return false
	}
	for name, shard := range shards {
		if r.members[name] != shard.Member {
			return false
		}
	}
	return true
}

func (l *loop) newRefinement(demoted map[model.MemberName]bool) *refinement {
	gateways, declared := map[model.MemberName][]model.HostPort{}, []*model.Member{}
	out := &refinement{members: make(map[model.MemberName]*model.Member, len(l.shards)), demoted: demoted, others: map[model.MemberName]*model.Member{}, answered: true}
	for _, name := range slices.Sorted(maps.Keys(l.shards)) {
		member := l.shards[name].Member
		out.members[name] = member
		if len(member.GatewayCIDRs) > 0 {
			declared = append(declared, member)
		}
		if member.Network != l.translation.from.Network && len(member.Gateways) > 0 {
			gateways[name] = member.Gateways
		}
	}
	l.book.Want(gateways)
	out.answers = l.book.Answers()
	for _, name := range slices.Sorted(maps.Keys(gateways)) {
		out.refine(out.members[name], declared)
	}
	return out
}

// refine looks up one member, of which others may have declared the addresses.
func (r *refinement) refine(member *model.Member, declared []*model.Member) {
	r.answered = r.answered && resolve.Answered(member.Gateways, r.answers)
	addresses, problems := resolve.Apply(member.Gateways, member.GatewayCIDRs, r.answers)
	if text := claimed(member, addresses, declared); text != "" {
		addresses, problems = nil, []resolve.Problem{{Reason: resolve.Denied, Message: text}}
	}
	for _, one := range problems {
		r.problems = append(r.problems, translate.Problem{Reason: translate.Reason(one.Reason), Member: member.Name, Message: one.Message})
	}
	demoted := r.demoted[member.Name]
	if demoted == member.Demoted && slices.Equal(addresses, member.Gateways) {
		return
	}
	other := *member
	other.Gateways, other.Demoted = addresses, demoted
	r.others[member.Name] = &other
}

// claimed says which of a member's addresses somebody else declared; empty where none.
// A member with CIDRs of its own was held to these before, and no two may overlap.
func claimed(member *model.Member, addresses []model.HostPort, declared []*model.Member) string {
	if len(member.GatewayCIDRs) > 0 {
		return ""
	}
	for _, other := range declared {
		for _, one := range addresses {
			if ip, isIP := one.IP(); isIP && model.Within(other.GatewayCIDRs, ip) {
				return fmt.Sprintf("gateway %s is in the gateway CIDRs of member %s", one, other.Name)
			}
		}
	}
	return ""
}

// demoted are the members that are used only where nobody else has an endpoint. What
// they offer is out of date: that alone takes nothing away, as the members may be fine
// where their API is not; but their gateway does not answer either.
func (l *loop) demoted() map[model.MemberName]bool {
	out := map[model.MemberName]bool{}
	for name, shard := range l.shards {
		if shard.Member.State != model.Stale {
			continue
		}
		if result, known := l.links.Result(name); known && !result.OK {
			out[name] = true
		}
	}
	return out
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
