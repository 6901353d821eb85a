package merge

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// BenchmarkOneEndpoint changes one endpoint of a mesh of 3 members and 10,000
// services with 10 endpoints each.
func BenchmarkOneEndpoint(b *testing.B) {
	shards := map[model.MemberName]*model.Shard{}
	for m := range 3 {
		name := model.MemberName(fmt.Sprintf("m%d", m))
		var offers []*model.Offer
		for s := range 10000 {
			offers = append(offers, benchOffer(model.ServiceKey{Namespace: "ns", Name: fmt.Sprintf("s%d", s)}, byte(m), 0))
		}
		shards[name] = &model.Shard{Member: &model.Member{Name: name}, Services: model.OffersOf(offers...)}
	}
	key := model.ServiceKey{Namespace: "ns", Name: "s1"}
	versions := []model.Offers{with(shards["m0"].Services, key, benchOffer(key, 0, 1)), with(shards["m0"].Services, key, benchOffer(key, 0, 2))}
	incumbents := map[model.ServiceKey]model.MemberName{key: "m0"}
	view := Merge(nil, Input{Shards: shards, Incumbents: incumbents}, nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		next := maps.Clone(shards)
		next["m0"] = &model.Shard{Member: shards["m0"].Member, Services: versions[i%2]}
		made := Merge(view, Input{Shards: next, Last: shards, Incumbents: incumbents}, []model.ServiceKey{key})
		if made == view {
			b.Fatal("the change is missing")
		}
		view, shards = made, next
	}
}

// BenchmarkNothing merges a change that makes no difference.
func BenchmarkNothing(b *testing.B) {
	key := model.ServiceKey{Namespace: "ns", Name: "s"}
	shards := map[model.MemberName]*model.Shard{
		"m": {Member: &model.Member{Name: "m"}, Services: model.OffersOf(benchOffer(key, 0, 0))},
	}
	view := Merge(nil, Input{Shards: shards}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if Merge(view, Input{Shards: shards}, []model.ServiceKey{key}) != view {
			b.Fatal("the view changed")
		}
	}
}

func benchOffer(key model.ServiceKey, member, version byte) *model.Offer {
	ports := []model.Port{{Name: "http", Number: 80}}
	slice := &model.Slice{Name: "one", Ports: ports}
	for i := range 10 {
		slice.Endpoints.Append(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, member, version, byte(i)}), Zone: model.NoZone})
	}
	return &model.Offer{Key: key, Exported: time.Unix(int64(member), 0), Ports: ports, Slices: []*model.Slice{slice}}
}
