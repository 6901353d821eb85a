package discovery

import (
	"net/netip"
	"testing"

	"github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

const trustDomain = "cluster.local"

// twoMembers is a view of east and west, of which west exports one service.
func twoMembers(addresses ...string) *model.View {
	members := map[model.MemberName]*model.Member{}
	for _, name := range []model.MemberName{"east", "west"} {
		members[name] = &model.Member{
			Name: name, Network: model.NetworkID("net-" + name), State: model.Ready,
			Identity: "spiffe://" + trustDomain + "/ns/eastwest-system/sa/gateway-" + string(name),
			Gateways: []model.HostPort{{Host: "192.0.2.1", Port: 15443}},
		}
	}
	return viewOf(members, addresses...)
}

func viewOf(members map[model.MemberName]*model.Member, addresses ...string) *model.View {
	slice := &model.Slice{Name: "s", Ports: []model.Port{{Name: "tcp", Number: 8080}}}
	for _, text := range addresses {
		slice.Endpoints = append(slice.Endpoints, model.Endpoint{Addr: netip.MustParseAddr(text), Zone: model.NoZone})
	}
	web := &model.Service{
		Key: webKey, Ports: []model.Port{{Name: "tcp", Number: 80}}, Exporters: []model.MemberName{"west"},
		Backends: []model.Backend{{Member: "west", Ports: []string{"tcp"}, Slices: []*model.Slice{slice}}},
	}
	none := model.Services{}
	return &model.View{Members: members, Services: none.With(map[model.ServiceKey]*model.Service{webKey: web})}
}

var webKey = model.ServiceKey{Namespace: "shop", Name: "web"}

func changedWeb() map[model.ServiceKey]struct{} { return map[model.ServiceKey]struct{}{webKey: {}} }

func newTranslation(own model.MemberName) *translation {
	return &translation{from: model.Vantage{Member: own, Network: model.NetworkID("net-" + own)}, trust: trustDomain, budget: 10}
}

// TestEndpointsGoAlone: a change of endpoints is a change of endpoints and no
// more, seen from both sides; anything else is the whole.
func TestEndpointsGoAlone(t *testing.T) {
	t.Parallel()
	before := twoMembers("10.2.0.1")
	ports := map[model.PortKey]uint16{{Service: webKey, Number: 80}: 20000}
	for _, own := range []model.MemberName{"east", "west"} {
		tr := newTranslation(own)
		if first := tr.update(inputs{view: before, ports: ports}, nil); !first.whole {
			t.Errorf("%s: the first one is not whole", own)
		}
		after := viewOf(before.Members, "10.2.0.1", "10.2.0.2")
		if got := tr.update(inputs{view: after, ports: ports}, changedWeb()); got.whole || len(got.endpoints) == 0 {
			t.Errorf("%s: an endpoint more is %+v", own, got)
		}
		if got := tr.update(inputs{view: after, ports: nil}, nil); !got.whole {
			t.Errorf("%s: other ports are no change", own)
		}
		if got := tr.update(inputs{view: after, ports: nil, roots: []byte("new")}, nil); !got.whole {
			t.Errorf("%s: other roots are no change", own)
		}
	}
}

// TestAServiceThatIsGone takes its resources along.
func TestAServiceThatIsGone(t *testing.T) {
	t.Parallel()
	before := twoMembers("10.2.0.1")
	tr := newTranslation("west")
	tr.update(inputs{view: before}, nil)
	with := len(tr.set().Clusters)
	after := &model.View{Members: before.Members, Services: before.Services.With(map[model.ServiceKey]*model.Service{webKey: nil})}
	if got := tr.update(inputs{view: after, now: noon}, changedWeb()); !got.whole {
		t.Error("it is no change")
	}
	if got := tr.update(inputs{view: after, now: noon.Add(farewell)}, nil); !got.whole {
		t.Error("its end is no change")
	}
	if now := len(tr.set().Clusters); now >= with {
		t.Errorf("%d clusters, %d before", now, with)
	}
}

// TestANarrowAudience: a service that admits fewer members has chains and a secret
// of its own, which follow the service when it changes.
func TestANarrowAudience(t *testing.T) {
	t.Parallel()
	before := twoMembers("10.2.0.1")
	tr := newTranslation("west")
	tr.admit = map[model.ServiceKey][]model.MemberName{webKey: {"east"}}
	tr.update(inputs{view: before}, nil)
	if got := len(tr.shared.Listeners[0].FilterChains); got != 6 {
		t.Errorf("%d chains, want three for all and three for the one", got)
	}
	if !hasSecret(tr.shared.Secrets, "clients|shop/web") {
		t.Errorf("no secret of its own: %v", tr.shared.Secrets)
	}
	if got := tr.update(inputs{view: viewOf(before.Members, "10.2.0.9")}, changedWeb()); !got.whole {
		t.Error("its change leaves the listener as it was")
	}
}

// TestPreference: by default no member's endpoints come before another's.
func TestPreference(t *testing.T) {
	t.Parallel()
	view := twoMembers("10.2.0.1")
	web := *view.Services.Get(webKey)
	web.Exporters = []model.MemberName{"east", "west"}
	web.Backends = append([]model.Backend{{Member: "east", Ports: []string{"tcp"}, Slices: web.Backends[0].Slices}}, web.Backends...)
	view = &model.View{Members: view.Members, Services: view.Services.With(map[model.ServiceKey]*model.Service{webKey: &web})}
	for prefer, want := range map[model.Preference]uint32{"": 0, "own,region": 1} {
		tr := newTranslation("east")
		tr.prefer = prefer
		tr.update(inputs{view: view, ports: map[model.PortKey]uint16{{Service: webKey, Number: 80}: 20000}}, nil)
		var last uint32
		for _, load := range tr.set().Endpoints {
			for _, locality := range load.Endpoints {
				last = max(last, locality.Priority)
			}
		}
		if last != want {
			t.Errorf("prefer %q: last priority %d, want %d", prefer, last, want)
		}
	}
}

func hasSecret(secrets []*tlsv3.Secret, name string) bool {
	for _, one := range secrets {
		if one.Name == name {
			return true
		}
	}
	return false
}
