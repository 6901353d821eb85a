package discovery

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/eds"
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
		slice.Endpoints.Append(model.Endpoint{Addr: netip.MustParseAddr(text), Zone: model.NoZone})
	}
	web := &model.Service{
		Key: webKey, Ports: []model.Port{{Name: "tcp", Number: 80}}, Exporters: []model.MemberName{"west"},
		Backends: []model.Backend{{Member: "west", Ports: []string{"tcp"}, Slices: []*model.Slice{slice}}},
	}
	return &model.View{Members: members, Services: model.Services{}.With(map[model.ServiceKey]*model.Service{webKey: web})}
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
			for _, locality := range messageOf(load).Endpoints {
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

// TestWhatWasBeforeDoesNotMatter follows random changes: gateways get what those of a
// replica get that has just started, or a change of replica would be one for them.
func TestWhatWasBeforeDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 0))
		members := twoMembers().Members
		members["north"] = &model.Member{Name: "north", Network: "net-north", State: model.Ready, Identity: "spiffe://" + trustDomain + "/north", Gateways: members["west"].Gateways}
		budget := random.IntN(5)
		follow := newTranslation("east")
		follow.budget = budget
		view, ports := &model.View{Members: members}, map[model.PortKey]uint16{}
		told := map[string]proto.Message{}
		for step := range 12 {
			now := noon.Add(time.Duration(step) * 2 * farewell) // whatever parted is gone
			changed := map[model.ServiceKey]struct{}{}
			if random.IntN(3) == 0 {
				ports = randomPorts(random)
			} else {
				key := randomKeys[random.IntN(len(randomKeys))]
				changed[key] = struct{}{}
				view = &model.View{Members: members, Services: view.Services.With(map[model.ServiceKey]*model.Service{key: randomService(random, key)})}
			}
			told = tell(told, follow, follow.update(inputs{view: view, ports: ports, now: now}, changed))
			told = tell(told, follow, follow.update(inputs{view: view, ports: ports, now: now.Add(farewell)}, nil))
			fresh := newTranslation("east")
			fresh.budget = budget
			fresh.update(inputs{view: view, ports: ports, now: now}, nil)
			if want := byName(fresh.set()); !maps.EqualFunc(want, told, proto.Equal) {
				t.Fatalf("seed %d, step %d: -started now, +followed\n%s", seed, step, cmp.Diff(want, told, protocmp.Transform()))
			}
		}
	}
}

// tell is what gateways have after a change.
func tell(told map[string]proto.Message, from *translation, change change) map[string]proto.Message {
	if change.whole {
		return byName(from.set())
	}
	for _, one := range change.endpoints {
		told["endpoints "+one.Name] = messageOf(one)
	}
	return told
}

var randomKeys = []model.ServiceKey{{Namespace: "shop", Name: "a"}, {Namespace: "shop", Name: "b"}, {Namespace: "shop", Name: "c"}}

// TestAPortConcernsItsService: another port of the gateway, or another check, has the
// service translated that it is of, and no other one.
func TestAPortConcernsItsService(t *testing.T) {
	t.Parallel()
	one, services := twoMembers("10.2.0.1"), map[model.ServiceKey]*model.Service{}
	for _, key := range randomKeys {
		service := *one.Services.Get(webKey)
		service.Key = key
		services[key] = &service
	}
	view := &model.View{Members: one.Members, Services: model.Services{}.With(services)}
	a, b, c := model.PortKey{Service: randomKeys[0], Number: 80}, model.PortKey{Service: randomKeys[1], Number: 80}, model.PortKey{Service: randomKeys[2], Number: 80}
	tr := newTranslation("east")
	tr.budget = 1 // the first listener's
	tr.update(inputs{view: view, ports: map[model.PortKey]uint16{a: 20000, b: 20001}}, nil)
	for _, step := range []struct {
		name  string
		ports map[model.PortKey]uint16
		stay  []model.PortKey
	}{
		{"one more", map[model.PortKey]uint16{a: 20000, b: 20001, c: 20002}, []model.PortKey{a, b}},
		{"another number", map[model.PortKey]uint16{a: 20000, b: 20003, c: 20002}, []model.PortKey{a, c}},
		{"one that is first, and checked now", map[model.PortKey]uint16{a: 20000, b: 20003, c: 19999}, []model.PortKey{b}},
		{"one less", map[model.PortKey]uint16{a: 20000, c: 19999}, []model.PortKey{a, c}},
		{"nothing", map[model.PortKey]uint16{a: 20000, c: 19999}, []model.PortKey{a, b, c}},
	} {
		before := maps.Clone(tr.services)
		got := tr.update(inputs{view: view, ports: step.ports}, nil)
		if want := len(step.stay) < len(randomKeys); got.whole != want {
			t.Errorf("%s: whole is %t", step.name, got.whole)
		}
		for _, key := range []model.PortKey{a, b, c} {
			same := slices.Equal(before[key.Service].Clusters, tr.services[key.Service].Clusters)
			if same != slices.Contains(step.stay, key) {
				t.Errorf("%s: %s is the same: %t", step.name, key.Service, same)
			}
		}
	}
}

// randomPorts are ports of the gateway for some of the services.
func randomPorts(random *rand.Rand) map[model.PortKey]uint16 {
	ports := map[model.PortKey]uint16{}
	for i, key := range randomKeys {
		if random.IntN(4) > 0 {
			ports[model.PortKey{Service: key, Number: 80}] = uint16(20000 + i + len(randomKeys)*random.IntN(2))
		}
	}
	return ports
}

// randomService is one with some exporters; nil: nobody exports it.
func randomService(random *rand.Rand, key model.ServiceKey) *model.Service {
	service := &model.Service{Key: key, Ports: []model.Port{{Name: "tcp", Number: 80}}}
	for i, name := range []model.MemberName{"east", "west", "north"} {
		if random.IntN(2) == 0 {
			continue
		}
		slice := &model.Slice{Name: "s", Ports: []model.Port{{Name: "tcp", Number: 8080}}}
		for n := range random.IntN(3) {
			slice.Endpoints.Append(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, byte(i), 0, byte(n)}), Zone: model.NoZone})
		}
		service.Exporters = append(service.Exporters, name)
		service.Backends = append(service.Backends, model.Backend{Member: name, Ports: []string{"tcp"}, Slices: []*model.Slice{slice}})
	}
	if len(service.Exporters) == 0 {
		return nil
	}
	return service
}

// messageOf is an assignment as a message; nil where it is none.
func messageOf(one *eds.Assignment) *endpointv3.ClusterLoadAssignment {
	message, err := one.Message()
	if err != nil {
		return nil
	}
	return message
}

// byName are the resources of a set by their names.
func byName(set publish.Set) map[string]proto.Message {
	out := map[string]proto.Message{}
	for _, one := range set.Endpoints {
		out["endpoints "+one.Name] = messageOf(one)
	}
	for _, one := range set.Clusters {
		out["cluster "+one.GetName()] = one
	}
	for _, one := range set.Listeners {
		out["listener "+one.GetName()] = one
	}
	return out
}
