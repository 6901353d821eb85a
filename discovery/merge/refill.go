package merge

import (
	"cmp"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// moved are the members that may offer something else than in the input before, or nothing
// any more.
func (in *Input) moved() []model.MemberName {
	var all []model.MemberName
	for name, shard := range in.Shards {
		if in.Last[name] != shard {
			all = append(all, name)
		}
	}
	for name := range in.Last {
		if in.Shards[name] == nil {
			all = append(all, name)
		}
	}
	return all
}

// refilled is a service as before, with other endpoints of members that moved; nil where
// more than endpoints may differ. Most changes are of this kind, and cost no more than what
// they change.
func (in *Input) refilled(old *model.Service, key model.ServiceKey, moved []model.MemberName) *model.Service {
	if in.Last == nil || old == nil || in.Quotas.Endpoints > 0 || !old.Cut.Equal(model.Cut{}) || in.Incumbents[key] != old.Exporters[0] {
		return nil
	}
	next := *old
	next.Offers, next.Backends = slices.Clone(old.Offers), slices.Clone(old.Backends)
	for _, name := range moved {
		var offer *model.Offer
		if shard := in.Shards[name]; shard != nil {
			offer = shard.Services.Get(key)
		}
		at := slices.Index(old.Exporters, name)
		switch {
		case (at < 0) != (offer == nil):
			return nil
		case at < 0, offer == old.Offers[at]:
		case sameButEndpoints(offer, old.Offers[at]) && replaced(next.Backends, name, offer):
			next.Offers[at] = offer
		default:
			return nil
		}
	}
	return &next
}

// replaced gives a member's backend other endpoints. It is false where there is a backend
// only before, or only now.
func replaced(backends []model.Backend, name model.MemberName, offer *model.Offer) bool {
	_, usable := model.Usable(offer.Slices)
	at, found := slices.BinarySearchFunc(backends, name, func(b model.Backend, name model.MemberName) int { return cmp.Compare(b.Member, name) })
	if !found || !usable {
		return false
	}
	backends[at].Slices = offer.Slices
	return true
}

// sameButEndpoints compares all else that merging looks at.
func sameButEndpoints(a, b *model.Offer) bool {
	return a.Type == b.Type && a.Exported.Equal(b.Exported) && a.Incumbent == b.Incumbent &&
		a.Share == b.Share && a.Traits.Equal(b.Traits) && slices.Equal(a.Ports, b.Ports)
}
