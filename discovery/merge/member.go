package merge

import (
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// roster is how the members differ from those of the previous view.
type roster struct {
	joined []model.MemberName
	left   map[model.MemberName]struct{}
	// differs is true where anything about the members does.
	differs bool
}

// mergeMembers returns the members of the next view: the previous map where
// nothing differs. There are few members, so that all are looked at.
func mergeMembers(previous map[model.MemberName]*model.Member, shards map[model.MemberName]*model.Shard) (map[model.MemberName]*model.Member, roster) {
	if alike(previous, shards) {
		return previous, roster{}
	}
	found := roster{left: map[model.MemberName]struct{}{}, differs: true}
	members := make(map[model.MemberName]*model.Member, len(shards))
	for name, shard := range shards {
		old, existed := previous[name]
		switch {
		case !existed:
			found.joined = append(found.joined, name)
			members[name] = shard.Member
		case equalMember(old, shard.Member):
			members[name] = old
		default:
			members[name] = shard.Member
		}
	}
	for name := range previous {
		if _, stays := shards[name]; !stays {
			found.left[name] = struct{}{}
		}
	}
	return members, found
}

// alike reports whether nothing about the members differs.
func alike(previous map[model.MemberName]*model.Member, shards map[model.MemberName]*model.Shard) bool {
	for name, shard := range shards {
		if old := previous[name]; old == nil || !equalMember(old, shard.Member) {
			return false
		}
	}
	return len(previous) == len(shards)
}

func equalMember(a, b *model.Member) bool {
	return a == b || a.Name == b.Name && a.ID == b.ID && a.Network == b.Network && a.Region == b.Region &&
		a.UID == b.UID && a.Identity == b.Identity && a.State == b.State && a.Demoted == b.Demoted &&
		slices.Equal(a.Gateways, b.Gateways) && slices.Equal(a.GatewayCIDRs, b.GatewayCIDRs)
}
