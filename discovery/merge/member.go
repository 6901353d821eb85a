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
	found := roster{left: map[model.MemberName]struct{}{}}
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
			found.differs = true
		}
	}
	for name := range previous {
		if _, stays := shards[name]; !stays {
			found.left[name] = struct{}{}
		}
	}
	found.differs = found.differs || len(found.joined)+len(found.left) > 0
	if !found.differs {
		members = previous
	}
	return members, found
}

func equalMember(a, b *model.Member) bool {
	return a == b || a.Name == b.Name && a.ID == b.ID && a.Network == b.Network && a.Region == b.Region &&
		a.UID == b.UID && a.Identity == b.Identity && a.State == b.State && a.Demoted == b.Demoted &&
		slices.Equal(a.Gateways, b.Gateways) && slices.Equal(a.GatewayCIDRs, b.GatewayCIDRs)
}
