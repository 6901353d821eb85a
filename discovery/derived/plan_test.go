package derived

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// view makes a view of members on networks and of services.
func view(networks map[model.MemberName]model.NetworkID, services ...*model.Service) *model.View {
	members := map[model.MemberName]*model.Member{}
	for name, network := range networks {
		members[name] = &model.Member{Name: name, Network: network, State: model.Ready}
	}
	set := map[model.ServiceKey]*model.Service{}
	for _, one := range services {
		set[one.Key] = one
	}
	return &model.View{Members: members, Services: model.Services{}.With(set)}
}

func exported(name string, ports []model.Port, backends ...model.Backend) *model.Service {
	one := &model.Service{Key: model.ServiceKey{Namespace: "demo", Name: name}, Ports: ports, Backends: backends}
	for _, backend := range backends {
		one.Exporters = append(one.Exporters, backend.Member)
	}
	return one
}

func pods(member model.MemberName, addresses ...string) model.Backend {
	slice := &model.Slice{Name: "s", Ports: []model.Port{{Name: "tcp", Number: 8080}}}
	for _, text := range addresses {
		slice.Endpoints.Append(model.Endpoint{Addr: netip.MustParseAddr(text), Zone: model.NoZone})
	}
	return model.Backend{Member: member, Ports: []string{"tcp"}, Slices: []*model.Slice{slice}}
}

var (
	apart = map[model.MemberName]model.NetworkID{"east": "n1", "west": "n2"}
	flat  = map[model.MemberName]model.NetworkID{"east": "n1", "west": "n1"}
	tcp   = []model.Port{{Name: "tcp", Number: 80}}
)

// wanted is what a view asks for where some ports are claimed.
func wanted(all *model.View, from vantage, used ...map[model.PortKey]uint16) []service {
	free, claimed := newAllocator(), newHolders()
	for _, claims := range used {
		claimed.claim(types.NamespacedName{Name: "all"}, claims)
	}
	free.seen = claimed.now()
	var keys []model.ServiceKey
	for one := range all.Services.All() {
		keys = append(keys, one.Key)
	}
	list, _ := planned(all, keys, from, free)
	return list
}

// targets are the ports of the gateway by service and port.
func targets(list []service) map[model.PortKey]uint16 {
	out := map[model.PortKey]uint16{}
	for _, one := range list {
		for _, port := range one.ports {
			if port.target != 0 {
				out[model.PortKey{Service: one.key, Number: port.Number}] = port.target
			}
		}
	}
	return out
}

func key(name string, number uint16) model.PortKey {
	return model.PortKey{Service: model.ServiceKey{Namespace: "demo", Name: name}, Number: number}
}

// TestPortsStay: what is in use is never given another number, what is new gets
// the lowest free one.
func TestPortsStay(t *testing.T) {
	t.Parallel()
	both := view(apart, exported("a", tcp, pods("west", "10.2.0.1")), exported("b", tcp, pods("west", "10.2.0.2")))
	own := both.Members["east"]
	for name, tc := range map[string]struct {
		used, want map[model.PortKey]uint16
	}{
		"nothing is in use":       {nil, map[model.PortKey]uint16{key("a", 80): 20000, key("b", 80): 20001}},
		"the later one is":        {map[model.PortKey]uint16{key("b", 80): 20000}, map[model.PortKey]uint16{key("a", 80): 20001, key("b", 80): 20000}},
		"one that is gone":        {map[model.PortKey]uint16{key("gone", 80): 20000}, map[model.PortKey]uint16{key("a", 80): 20001, key("b", 80): 20002}},
		"two claim the same port": {map[model.PortKey]uint16{key("a", 80): 20007, key("b", 80): 20007}, map[model.PortKey]uint16{key("a", 80): 20007, key("b", 80): 20000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(tc.used)
			if diff := cmp.Diff(tc.want, targets(wanted(both, vantage{own: own}, tc.used))); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if !maps.Equal(before, tc.used) {
				t.Error("the input was changed")
			}
		})
	}
}

// TestWhereClientsAreLed: one exporter on another network is enough to lead all
// through the gateway; else the pods are reached directly. Where sidecars reach other
// networks, those of the own one are left, and no sidecar sees the Service.
func TestWhereClientsAreLed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		networks map[model.MemberName]model.NetworkID
		backends []model.Backend
		sidecars bool
		gateway  bool
		pods     []string
	}{
		"only the other network":          {apart, []model.Backend{pods("west", "10.2.0.1")}, false, true, nil},
		"both networks":                   {apart, []model.Backend{pods("east", "10.1.0.1"), pods("west", "10.2.0.1")}, false, true, nil},
		"only the own cluster":            {apart, []model.Backend{pods("east", "10.1.0.1")}, false, false, []string{"10.1.0.1"}},
		"one network, both members":       {flat, []model.Backend{pods("east", "10.1.0.1"), pods("west", "10.2.0.1", "10.2.0.2")}, false, false, []string{"10.1.0.1", "10.2.0.1", "10.2.0.2"}},
		"sidecars and the other network":  {apart, []model.Backend{pods("west", "10.2.0.1")}, true, false, nil},
		"sidecars and both networks":      {apart, []model.Backend{pods("east", "10.1.0.1"), pods("west", "10.2.0.1")}, true, false, []string{"10.1.0.1"}},
		"sidecars, one network for both ": {flat, []model.Backend{pods("east", "10.1.0.1"), pods("west", "10.2.0.1")}, true, false, []string{"10.1.0.1", "10.2.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := view(tc.networks, exported("a", tcp, tc.backends...))
			list := wanted(all, vantage{own: all.Members["east"], sidecars: tc.sidecars})
			if len(list) != 1 || list[0].gateway != tc.gateway {
				t.Fatalf("%+v, want one with gateway %v", list, tc.gateway)
			}
			if hidden := list[0].serviceObject().Annotations["networking.istio.io/exportTo"] == "~"; hidden != tc.sidecars {
				t.Errorf("it is hidden from sidecars: %v", hidden)
			}
			var got []string
			for _, one := range list[0].backends {
				for _, endpoint := range one.endpoints {
					got = append(got, endpoint.Addr.String())
				}
			}
			if diff := cmp.Diff(tc.pods, got); diff != "" {
				t.Errorf("pods -want +got\n%s", diff)
			}
		})
	}
}

// TestFamilies: of the exporters' families those that the cluster has, unless it would
// give them by itself.
func TestFamilies(t *testing.T) {
	t.Parallel()
	v4, v6 := []model.Family{model.IPv4}, []model.Family{model.IPv6}
	both, other := []model.Family{model.IPv4, model.IPv6}, []model.Family{model.IPv6, model.IPv4}
	for name, tc := range map[string]struct{ cluster, exporters, want []model.Family }{
		"one and the same":               {v4, v4, nil},
		"the cluster has the first one":  {v4, both, nil},
		"the cluster has two":            {both, v4, nil},
		"the cluster prefers the other":  {both, v6, v6},
		"both have two":                  {both, other, both},
		"nothing in common":              {v4, v6, nil},
		"the cluster does not say":       {nil, both, nil},
		"the exporters do not say":       {both, nil, nil},
		"the cluster prefers the second": {other, v4, v4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := exported("a", tcp, pods("west", "10.2.0.1"))
			service.Traits.Families = tc.exporters
			all := view(flat, service)
			if diff := cmp.Diff(tc.want, wanted(all, vantage{own: all.Members["east"], families: tc.cluster})[0].families); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestWhoComesFirst: kube-proxy has no priorities, so that the others' pods are there
// only while those that come first have none.
func TestWhoComesFirst(t *testing.T) {
	t.Parallel()
	both := []model.Backend{pods("east", "10.1.0.1"), pods("west", "10.2.0.1")}
	for name, tc := range map[string]struct {
		backends       []model.Backend
		said, fallback model.Preference
		want           []model.MemberName
	}{
		"nobody says":               {both, "", "", []model.MemberName{"east", "west"}},
		"the exporter does":         {both, "own", "", []model.MemberName{"east"}},
		"the exporter wants others": {both, "member=west,own", "own", []model.MemberName{"west"}},
		"the agent does":            {both, "", "own,region", []model.MemberName{"east"}},
		"all alike, says the exporter, whatever the agent has": {both, "none", "own", []model.MemberName{"east", "west"}},
		"those that come first have none":                      {both[1:], "own", "", []model.MemberName{"west"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := exported("a", tcp, tc.backends...)
			service.Traits.Prefer = tc.said
			all := view(flat, service)
			var got []model.MemberName
			for _, one := range wanted(all, vantage{own: all.Members["east"], prefer: tc.fallback})[0].backends {
				got = append(got, one.source)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("pods of, -want +got\n%s", diff)
			}
		})
	}
}

// TestAWayThatHasNoEndpointsStays: a service whose remote endpoints are gone for a
// moment keeps its way, and with it its port.
func TestAWayThatHasNoEndpointsStays(t *testing.T) {
	t.Parallel()
	one := exported("a", tcp)
	one.Exporters = []model.MemberName{"west"}
	all := view(apart, one)
	list := wanted(all, vantage{own: all.Members["east"]})
	if len(list) != 1 || !list[0].gateway || list[0].ports[0].target != 20000 {
		t.Errorf("%+v", list)
	}
}

// TestGatewaysCarryTCPOnly: the other ports are left out.
func TestGatewaysCarryTCPOnly(t *testing.T) {
	t.Parallel()
	mixed := []model.Port{{Name: "tcp", Number: 53}, {Name: "udp", Number: 53, Protocol: model.UDP}}
	all := view(apart, exported("a", mixed, pods("west", "10.2.0.1")))
	list := wanted(all, vantage{own: all.Members["east"]})
	if len(list) != 1 || len(list[0].ports) != 1 || list[0].ports[0].Name != "tcp" {
		t.Errorf("%+v", list)
	}
}

// TestNames are fixed by the reference controllers: other implementations and
// people compute them too.
func TestNames(t *testing.T) {
	t.Parallel()
	if got := Name(model.ServiceKey{Namespace: "demo", Name: "helloworld"}); got != "derived-e00aqrqukr" {
		t.Errorf("derived name %s", got)
	}
}
