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
	next, exporters := *old, 0
	next.Offers, next.Backends = slices.Clone(old.Offers), slices.Clone(old.Backends)
	for name, shard := range in.Shards {
		at := slices.Index(old.Exporters, name)
		if in.Last[name] == shard {
			if at >= 0 {
				exporters++
			}
			continue
		}
		offer := shard.Services.Get(key)
		if offer == nil {
			continue
		}
		switch {
		case at < 0:
			return nil
		case offer != old.Offers[at] && !(sameButEndpoints(offer, old.Offers[at]) && replaced(next.Backends, name, offer)):
			return nil
		}
		next.Offers[at] = offer
		exporters++
	}
	if exporters != len(old.Exporters) {
		return nil
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
