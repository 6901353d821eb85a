package translate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"unique"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func diff(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// randomScene is a view as merge could make it of anything that members say.
func randomScene(seed uint64) (*model.View, model.Vantage, Options) {
	r := rand.New(rand.NewPCG(seed, 3))
	view := &model.View{Members: map[model.MemberName]*model.Member{}}
	options := Options{
		TrustDomain: domain, Roots: []byte("roots"), Listeners: map[model.PortKey]uint16{}, Clients: map[model.ServiceKey][]string{},
		EndToEnd: map[model.PortKey]bool{},
	}
	for m := range 1 + r.IntN(4) {
		member := randomMember(r, model.MemberName(fmt.Sprintf("m%d", m)))
		view.Members[member.Name] = member
	}
	services := map[model.ServiceKey]*model.Service{}
	for s := range r.IntN(5) {
		key := model.ServiceKey{Namespace: "ns", Name: pick(r, fmt.Sprintf("s%d", s), "a.b", "UPPER", "\xff", "")}
		service := randomService(r, key)
		services[key] = service
		for _, port := range service.Ports {
			if r.IntN(3) > 0 {
				options.Listeners[model.PortKey{Service: key, Number: port.Number}] = uint16(20000 + len(options.Listeners))
			}
		}
		if r.IntN(3) == 0 {
			options.Clients[key] = []string{identityOf(fmt.Sprintf("m%d", r.IntN(5)))}
		}
		service.Traits.Prefer = anyPreference(r)
	}
	options.Prefer = anyPreference(r)
	view.Services = view.Services.With(services)
	own := view.Members["m0"]
	from := model.Vantage{Member: own.Name, Network: own.Network, Region: own.Region}
	options.EndToEnd = WithinBudget(view, from, options, r.IntN(5))
	return view, from, options
}

func randomMember(r *rand.Rand, name model.MemberName) *model.Member {
	member := &model.Member{
		Name: name, Network: model.NetworkID(fmt.Sprint(r.IntN(3))), Region: pick(r, "", "r1", "r2"),
		Identity: pick(r, identityOf(string(name)), identityOf(string(name)), "", "spiffe://elsewhere/x", "spiffe://"+domain+"/a b"),
		Demoted:  r.IntN(4) == 0,
	}
	for range r.IntN(4) {
		member.Gateways = append(member.Gateways, model.HostPort{
			Host: pick(r, "192.0.2.1", "192.0.2.2", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%a", "gateway.example", "0.0.0.0", ""),
			Port: uint16(15443 * r.IntN(2)),
		})
	}
	return member
}

func randomService(r *rand.Rand, key model.ServiceKey) *model.Service {
	service := &model.Service{Key: key}
	for p := range r.IntN(4) {
		service.Ports = append(service.Ports, model.Port{
			Name: fmt.Sprint(pick(r, "http-", "sql-", "grpc-"), p), Number: uint16(80 + p), Protocol: model.Protocol(max(0, r.IntN(6)-3)),
			AppProtocol: pick(r, "", "", "http", "kubernetes.io/h2c", "other"),
		})
	}
	for m := range 4 {
		if r.IntN(2) == 0 {
			continue
		}
		name := model.MemberName(fmt.Sprintf("m%d", m))
		service.Exporters = append(service.Exporters, name)
		backend := model.Backend{Member: name}
		for _, port := range service.Ports {
			if r.IntN(3) > 0 {
				backend.Ports = append(backend.Ports, port.Name)
			}
		}
		for s := range r.IntN(3) {
			backend.Slices = append(backend.Slices, randomSlice(r, service.Ports, fmt.Sprint(s)))
		}
		service.Backends = append(service.Backends, backend)
	}
	return service
}

func randomSlice(r *rand.Rand, ports []model.Port, name string) *model.Slice {
	slice := &model.Slice{Name: name}
	for _, port := range ports {
		slice.Ports = append(slice.Ports, model.Port{Name: port.Name, Protocol: port.Protocol, Number: uint16(r.IntN(3) * 8080)})
	}
	for range r.IntN(4) {
		endpoint := model.Endpoint{
			Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + r.IntN(4))}), Health: model.Health(r.IntN(3)),
		}
		switch r.IntN(6) {
		case 0:
			endpoint.Addr = netip.MustParseAddr("fd00::1")
		case 1:
			endpoint.Addr = netip.Addr{}
		}
		if r.IntN(2) == 0 {
			endpoint.Zone = unique.Make(pick(r, "", "z1", "z2", "\xff"))
		}
		slice.Endpoints.Append(endpoint)
	}
	return slice
}

func pick(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

// check holds of whatever members say: resources are valid, and the order in which
// they said it makes no difference.
func check(t *testing.T, seed uint64) {
	t.Helper()
	view, from, options := randomScene(seed)
	set := Gateway(view, from, options)
	checkValid(t, set)
	for _, list := range [][]byte{flat(t, set)} {
		if again := flat(t, Gateway(shuffled(view, seed), from, options)); !slices.Equal(list, again) {
			t.Errorf("seed %d: another order gives other resources", seed)
		}
	}
	decoded(t, set.Endpoints)
}

// flat are all resources of a set, as bytes.
func flat(t *testing.T, set Set) []byte {
	t.Helper()
	var out []byte
	for _, one := range set.Clusters {
		out = append(out, marshal(one)...)
	}
	for _, one := range set.Endpoints {
		out = append(out, one.Wire...)
	}
	for _, one := range set.Listeners {
		out = append(out, marshal(one)...)
	}
	for _, one := range set.Secrets {
		out = append(out, marshal(one)...)
	}
	return fmt.Append(out, set.Problems)
}

// shuffled is an equal view in another order wherever order means nothing.
func shuffled(view *model.View, seed uint64) *model.View {
	r := rand.New(rand.NewPCG(seed, 4))
	out := &model.View{Members: map[model.MemberName]*model.Member{}}
	for name, member := range view.Members {
		other := *member
		other.Gateways = slices.Clone(member.Gateways)
		r.Shuffle(len(other.Gateways), func(i, j int) { swap(other.Gateways, i, j) })
		out.Members[name] = &other
	}
	services := map[model.ServiceKey]*model.Service{}
	for service := range view.Services.All() {
		other := *service
		other.Ports, other.Exporters, other.Backends = slices.Clone(service.Ports), slices.Clone(service.Exporters), slices.Clone(service.Backends)
		r.Shuffle(len(other.Ports), func(i, j int) { swap(other.Ports, i, j) })
		r.Shuffle(len(other.Exporters), func(i, j int) { swap(other.Exporters, i, j) })
		r.Shuffle(len(other.Backends), func(i, j int) { swap(other.Backends, i, j) })
		for i := range other.Backends {
			other.Backends[i] = shuffledBackend(r, other.Backends[i])
		}
		services[service.Key] = &other
	}
	out.Services = out.Services.With(services)
	return out
}

func shuffledBackend(r *rand.Rand, backend model.Backend) model.Backend {
	backend.Ports, backend.Slices = slices.Clone(backend.Ports), slices.Clone(backend.Slices)
	r.Shuffle(len(backend.Ports), func(i, j int) { swap(backend.Ports, i, j) })
	r.Shuffle(len(backend.Slices), func(i, j int) { swap(backend.Slices, i, j) })
	for i, slice := range backend.Slices {
		other := &model.Slice{Name: slice.Name, Ports: slices.Clone(slice.Ports)}
		r.Shuffle(len(other.Ports), func(i, j int) { swap(other.Ports, i, j) })
		for _, at := range r.Perm(slice.Endpoints.Len()) {
			other.Endpoints.Append(slice.Endpoints.At(at))
		}
		backend.Slices[i] = other
	}
	return backend
}

func swap[E any](list []E, i, j int) { list[i], list[j] = list[j], list[i] }

func TestWhateverMembersSay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		check(t, seed)
	}
}

func FuzzGateway(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(check)
}

func anyPreference(r *rand.Rand) model.Preference {
	return model.Preference(pick(r, "", "none", "own,region", "member=m1,own,region=r0", "region,own"))
}
