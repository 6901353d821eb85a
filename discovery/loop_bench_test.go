package discovery

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/probe"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/resolve"
)

// BenchmarkTurn changes one endpoint of one of a hundred services, which a number of
// members export, of which half are on other networks: what it costs shall not depend on
// how many there are.
func BenchmarkTurn(b *testing.B) {
	for _, members := range []int{2, 10, 50} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			s := newStart()
			s.publisher, s.links, s.log = publish.New(publish.Options{Log: slog.New(slog.DiscardHandler)}), probe.New(probe.Options{}), slog.New(slog.DiscardHandler)
			s.book = resolve.New(resolve.Options{})
			s.names = nil
			var shards []*model.Shard
			for i := range members {
				shards = append(shards, benchShard(i))
				s.names = append(s.names, shards[i].Member.Name)
				s.inbox.Offer(shards[i], nil)
			}
			s.turn()
			changing := shards[members/2*2-2]
			key := model.ServiceKey{Namespace: "shop", Name: "s0"}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				offer := *changing.Services.Get(key)
				slice := *offer.Slices[0]
				slice.Endpoints = model.EndpointsOf(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)})})
				offer.Slices = []*model.Slice{&slice}
				changing = &model.Shard{Member: changing.Member, Services: changing.Services.With(map[model.ServiceKey]*model.Offer{key: &offer})}
				s.inbox.Offer(changing, []model.ServiceKey{key})
				s.turn()
			}
			if got := s.State().View.Services.Get(key); len(got.Backends) != members {
				b.Fatalf("%d backends", len(got.Backends))
			}
		})
	}
}

// benchShard is a member with a hundred services of ten endpoints; the first one is the
// own one, and every second is on its network.
func benchShard(number int) *model.Shard {
	name := model.MemberName(fmt.Sprint("m", number))
	network := model.NetworkID("east")
	if number == 0 {
		name = "east"
	}
	if number%2 == 1 {
		network = model.NetworkID(name)
	}
	var offers []*model.Offer
	for i := range 100 {
		slice := &model.Slice{Name: fmt.Sprint("s", i, "-1"), Ports: []model.Port{{Name: "http", Number: 8080}}}
		for n := range 10 {
			slice.Endpoints.Append(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, byte(number), byte(i), byte(n)}), Zone: model.NoZone})
		}
		offers = append(offers, &model.Offer{
			Key: model.ServiceKey{Namespace: "shop", Name: fmt.Sprint("s", i)}, Ports: []model.Port{{Name: "http", Number: 80}}, Slices: []*model.Slice{slice},
		})
	}
	return &model.Shard{
		Member: &model.Member{
			Name: name, ID: model.ClusterID(name), Network: network, State: model.Ready,
			Gateways: []model.HostPort{{Host: fmt.Sprintf("192.0.2.%d", number+1), Port: 15443}},
		},
		Services: model.OffersOf(offers...),
	}
}
