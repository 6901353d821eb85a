package snapshot

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unique"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// equal compares shards by their values.
var equal = cmp.Options{
	cmp.Comparer(func(a, b model.Zone) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
	cmp.Transformer("list", func(all model.Offers) []*model.Offer {
		return slices.SortedFunc(all.All(), func(a, b *model.Offer) int { return a.Key.Compare(b.Key) })
	}),
}

// mesh is two members that use every field, and a third that offers nothing.
func mesh(endpoints int) *Content {
	cart := model.ServiceKey{Namespace: "shop", Name: "cart"}
	slice := &model.Slice{Name: "cart-1", Ports: []model.Port{{Name: "http", Number: 8080}, {Number: 53, Protocol: model.UDP}}}
	for i := range endpoints {
		slice.Endpoints.Append(model.Endpoint{
			Addr: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Zone: unique.Make(fmt.Sprintf("zone-%d", i%3)), Health: model.Health(i % 3),
		})
	}
	slice.Hostnames = make([]string, endpoints)
	if endpoints > 0 {
		slice.Hostnames[endpoints-1] = "web-0"
	}
	offer := &model.Offer{
		Key: cart, By: model.Upstream | model.GKE, Incumbent: "west", Exported: time.Unix(1_700_000_000, 0),
		Traits: model.Traits{
			ClientIP: true, AffinitySeconds: 10800, InternalTrafficPolicy: "Local", TrafficDistribution: "PreferClose",
			Families: []model.Family{model.IPv6, model.IPv4}, Labels: map[string]string{"a": "b", "b": ""}, Annotations: map[string]string{"c": "d"},
		},
		Ports:  []model.Port{{Name: "http", AppProtocol: "kubernetes.io/h2c", Number: 80}},
		Slices: []*model.Slice{slice, {Name: "cart-2", Endpoints: model.EndpointsOf(model.Endpoint{Addr: netip.MustParseAddr("2001:db8::1"), Zone: model.NoZone})}},
	}
	headless := &model.Offer{Key: model.ServiceKey{Namespace: "shop", Name: "db"}, Type: model.Headless}
	shards := Shards{
		"east": {
			Member: &model.Member{
				Name: "east", ID: "cluster-1", Network: "net-east", Region: "eu", UID: "uid-1", Identity: "spiffe://td/ns/n/sa/s",
				Gateways: []model.HostPort{{Host: "192.0.2.1", Port: 15443}, {Host: "198.51.100.1", Port: 443, Name: "gateway.example.com"}}, State: model.Degraded, Demoted: true,
			},
			Services: model.OffersOf(offer, headless),
		},
		"north": {Member: &model.Member{Name: "north"}},
		"west":  {Member: &model.Member{Name: "west", State: model.Ready}, Services: model.OffersOf(offer)},
	}
	return &Content{Shards: shards, Incumbents: map[model.ServiceKey]model.MemberName{cart: "west", headless.Key: "east"}}
}
