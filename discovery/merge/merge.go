// Package merge turns what the members offer into the one view of all of them. It
// owns the rules on who wins where exporters of one name differ (KEP-1645), and
// stands on the data path between watch and translate. It is pure: no lock, clock,
// logger, context or I/O; the order of its inputs does not matter, and equal inputs
// give equal views. It must not know how offers are observed, nor who reads views.
package merge

import "github.com/eastwest-mesh/eastwest/discovery/model"

// Input is what a view is made from.
type Input struct {
	// Shards are what the members offer, by member. Those of leaving members
	// contribute nothing.
	Shards map[model.MemberName]*model.Shard
	// Last are those that the previous view was made from: whoever has the same shard
	// still offers the same. Nil: that is not known.
	Last map[model.MemberName]*model.Shard
	// Incumbents are members whose values hold for a service for as long as they
	// export it, whatever the others' timestamps claim. Services without one are
	// ordered by KEP-1645: the oldest export first, then by the member's name.
	Incumbents map[model.ServiceKey]model.MemberName
	// Quotas bound every service. They are the same in every input of one agent.
	Quotas Quotas
}

// Merge makes the view of an input. Without a previous view everything is built.
//
// Given the previous view, only the changed services are built: those whose offer
// or incumbent differs in any way from what previous was made from, in any order,
// and more than that does no harm. Services of members that joined or left need
// not be listed. What is equal to before stays the same pointer, up to the view
// itself: where nothing differs, the result is previous.
//
// A service that is exported stays in the view when nobody has an endpoint for it,
// without backends: a name that vanished would have its address given back, and
// would be slow to return.
func Merge(previous *model.View, in Input, changed []model.ServiceKey) *model.View {
	in.Shards = active(in.Shards)
	if previous == nil {
		return in.build()
	}
	members, roster := mergeMembers(previous.Members, in.Shards)
	different, moved := map[model.ServiceKey]*model.Service{}, in.moved()
	for key := range affected(previous, in.Shards, roster, changed) {
		old := previous.Services.Get(key)
		made := in.refilled(old, key, moved)
		if made == nil {
			made = in.mergeService(key)
		}
		if !equalService(old, made) {
			different[key] = made
		}
	}
	if !roster.differs && len(different) == 0 {
		return previous
	}
	return &model.View{Members: members, Services: previous.Services.With(different)}
}

// active leaves out the members that contribute nothing.
func active(shards map[model.MemberName]*model.Shard) map[model.MemberName]*model.Shard {
	leaving := false
	for _, shard := range shards {
		leaving = leaving || shard == nil || shard.Member.State == model.Leaving
	}
	if !leaving {
		return shards
	}
	kept := make(map[model.MemberName]*model.Shard, len(shards))
	for name, shard := range shards {
		if shard != nil && shard.Member.State != model.Leaving {
			kept[name] = shard
		}
	}
	return kept
}

func (in *Input) build() *model.View {
	members := make(map[model.MemberName]*model.Member, len(in.Shards))
	services := map[model.ServiceKey]*model.Service{}
	for name, shard := range in.Shards {
		members[name] = shard.Member
		for offer := range shard.Services.All() {
			if _, done := services[offer.Key]; !done {
				services[offer.Key] = in.mergeService(offer.Key)
			}
		}
	}
	return &model.View{Members: members, Services: model.Services{}.With(services)}
}

// affected are the services to build anew.
func affected(previous *model.View, shards map[model.MemberName]*model.Shard, roster roster, changed []model.ServiceKey) map[model.ServiceKey]struct{} {
	keys := make(map[model.ServiceKey]struct{}, len(changed))
	for _, key := range changed {
		keys[key] = struct{}{}
	}
	for _, name := range roster.joined {
		for offer := range shards[name].Services.All() {
			keys[offer.Key] = struct{}{}
		}
	}
	if len(roster.left) == 0 {
		return keys
	}
	// Leaving is rare, so that it may look at every service: an index from members
	// to services would have to be kept up with every change.
	for service := range previous.Services.All() {
		for _, exporter := range service.Exporters {
			if _, left := roster.left[exporter]; left {
				keys[service.Key] = struct{}{}
			}
		}
	}
	return keys
}
