package merge

import (
	"cmp"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// refilled is a service as before, with other endpoints; nil where more than endpoints
// may differ. Most changes are of this kind, and cost no more than what they change.
func (in *Input) refilled(old *model.Service, key model.ServiceKey) *model.Service {
	if old == nil || in.Quotas.Endpoints > 0 || !old.Cut.Equal(model.Cut{}) || in.Incumbents[key] != old.Exporters[0] {
		return nil
	}
	offers := 0
	for _, shard := range in.Shards {
		if shard.Services.Get(key) != nil {
			offers++
		}
	}
	if offers != len(old.Exporters) {
		return nil
	}
	next := *old
	next.Offers, next.Backends = slices.Clone(old.Offers), slices.Clone(old.Backends)
	for i, name := range old.Exporters {
		shard := in.Shards[name]
		if shard == nil {
			return nil
		}
		offer := shard.Services.Get(key)
		if offer == old.Offers[i] {
			continue
		}
		if !sameButEndpoints(offer, old.Offers[i]) || !replaced(next.Backends, name, offer) {
			return nil
		}
		next.Offers[i] = offer
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
	return a != nil && b != nil && a.Type == b.Type && a.Exported.Equal(b.Exported) && a.Incumbent == b.Incumbent &&
		a.Share == b.Share && a.Traits.Equal(b.Traits) && slices.Equal(a.Ports, b.Ports)
}
