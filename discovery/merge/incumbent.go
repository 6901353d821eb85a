package merge

import (
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Incumbent is the member whose values hold for a service after exporters of it
// recorded whose did. Empty: nobody's, so that KEP-1645 decides.
//
// Known is whom this agent saw have its way last; it stays while it exports. Else
// the record on the own member's export counts, and only then those of the others:
// the member that most of them name. What one member claims about itself moves
// nobody who was there before.
func Incumbent(key model.ServiceKey, shards map[model.MemberName]*model.Shard, own, known model.MemberName) model.MemberName {
	if shard := shards[known]; shard != nil && shard.Member.State != model.Leaving && shard.Services.Get(key) != nil {
		return known
	}
	exports := slices.DeleteFunc(exportsOf(key, shards, ""), func(one export) bool {
		return shards[one.member].Member.State == model.Leaving
	})
	votes := map[model.MemberName]int{}
	for _, one := range exports {
		record := one.offer.Incumbent
		if !exporting(exports, record) {
			continue
		}
		if one.member == own {
			return record
		}
		votes[record]++
	}
	var most model.MemberName
	for _, one := range exports { // in the order of KEP-1645, which decides ties
		if votes[one.member] > votes[most] {
			most = one.member
		}
	}
	return most
}

func exporting(exports []export, name model.MemberName) bool {
	return slices.ContainsFunc(exports, func(one export) bool { return one.member == name })
}
