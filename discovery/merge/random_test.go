package merge

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// mesh is a set of members that change at random. Its shards are as watch makes
// them: immutable, with unchanged offers shared.
type mesh struct {
	random     *rand.Rand
	shards     map[model.MemberName]*model.Shard
	incumbents map[model.ServiceKey]model.MemberName
}

func newMesh(seed uint64) *mesh {
	return &mesh{
		random:     rand.New(rand.NewPCG(seed, 1)),
		shards:     map[model.MemberName]*model.Shard{},
		incumbents: map[model.ServiceKey]model.MemberName{},
	}
}

// step changes one thing and says which services it touched.
func (m *mesh) step() []model.ServiceKey {
	name := model.MemberName(fmt.Sprintf("m%d", m.random.IntN(4)))
	shard, exists := m.shards[name]
	switch {
	case !exists:
		m.join(name)
		return nil
	case m.random.IntN(8) == 0:
		delete(m.shards, name)
		return nil
	case m.random.IntN(8) == 0:
		m.record(name, shard)
		return nil
	case m.random.IntN(8) == 0:
		m.incumbents[m.key()] = name
		return slices.Collect(maps.Keys(m.incumbents))
	case m.random.IntN(8) == 0:
		return m.relist(name, shard)
	}
	key := m.key()
	var next *model.Offer
	switch old := shard.Services.Get(key); {
	case m.random.IntN(4) == 0:
	case old != nil && m.random.IntN(2) == 0:
		next = m.altered(old)
	default:
		next = m.offer(key)
	}
	m.shards[name] = &model.Shard{Member: shard.Member, Services: with(shard.Services, key, next)}
	return []model.ServiceKey{key}
}

func (m *mesh) join(name model.MemberName) {
	shard := &model.Shard{Member: &model.Member{Name: name}}
	for range m.random.IntN(4) {
		key := m.key()
		shard.Services = with(shard.Services, key, m.offer(key))
	}
	m.shards[name] = shard
}

// record changes what is known of the member itself, mostly into what it is already.
func (m *mesh) record(name model.MemberName, shard *model.Shard) {
	member := *shard.Member
	member.State = model.State(m.random.IntN(6))
	member.Demoted = m.random.IntN(4) == 0
	member.Gateways = slices.Clone(member.Gateways)
	if m.random.IntN(4) == 0 {
		member.Gateways = []model.HostPort{{Host: "192.0.2.1", Port: uint16(m.random.IntN(3))}}
	}
	if m.random.IntN(4) == 0 {
		member.GatewayCIDRs = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), m.random.IntN(2))}
	}
	m.shards[name] = &model.Shard{Member: &member, Services: shard.Services}
}

// relist gives equal offers new pointers, and reports them all as changed.
func (m *mesh) relist(name model.MemberName, shard *model.Shard) []model.ServiceKey {
	services := map[model.ServiceKey]*model.Offer{}
	for offer := range shard.Services.All() {
		again := *offer
		again.Slices = nil
		for _, slice := range offer.Slices {
			other := &model.Slice{Name: slice.Name, Ports: slices.Clone(slice.Ports)}
			for _, one := range slice.Endpoints.All() {
				other.Endpoints.Append(one)
			}
			again.Slices = append(again.Slices, other)
		}
		services[offer.Key] = &again
	}
	m.shards[name] = &model.Shard{Member: shard.Member, Services: shard.Services.With(services)}
	return slices.Collect(maps.Keys(services))
}

// with is offers with another one, or without.
func with(offers model.Offers, key model.ServiceKey, offer *model.Offer) model.Offers {
	return offers.With(map[model.ServiceKey]*model.Offer{key: offer})
}

func (m *mesh) key() model.ServiceKey {
	return model.ServiceKey{Namespace: "ns", Name: fmt.Sprintf("s%d", m.random.IntN(5))}
}

// altered is an offer that differs in one thing, mostly in its endpoints.
func (m *mesh) altered(old *model.Offer) *model.Offer {
	next, other := *old, m.offer(old.Key)
	switch m.random.IntN(12) {
	case 0:
		next.Type = other.Type
	case 1:
		next.Exported = other.Exported
	case 2:
		next.Incumbent = other.Incumbent
	case 3:
		next.Share = other.Share
	case 4:
		next.Traits = other.Traits
	case 5:
		next.Ports = other.Ports
	default:
		next.Slices = other.Slices
	}
	return &next
}

func (m *mesh) offer(key model.ServiceKey) *model.Offer {
	offer := &model.Offer{Key: key, Type: model.ServiceType(m.random.IntN(2)), Exported: time.Unix(int64(m.random.IntN(3)), 0), Traits: anyTraits(m.random)}
	if m.random.IntN(4) == 0 {
		offer.Share = model.Share{Weight: uint32(m.random.IntN(3)), Drained: m.random.IntN(2) == 0}
	}
	if m.random.IntN(3) == 0 {
		offer.Incumbent = model.MemberName(fmt.Sprintf("m%d", m.random.IntN(4)))
	}
	for range m.random.IntN(4) {
		offer.Ports = append(offer.Ports, model.Port{
			Name: fmt.Sprintf("p%d", m.random.IntN(3)), Number: uint16(80 + m.random.IntN(3)), Protocol: model.Protocol(m.random.IntN(2)),
			AppProtocol: []string{"", "", "http"}[m.random.IntN(3)],
		})
	}
	for i := range m.random.IntN(3) {
		slice := &model.Slice{Name: fmt.Sprint(i), Ports: offer.Ports}
		for j := range m.random.IntN(3) {
			slice.Endpoints.Append(model.Endpoint{
				Addr: netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)}), Zone: model.NoZone, Health: model.Health(m.random.IntN(3)),
			})
		}
		offer.Slices = append(offer.Slices, slice)
	}
	return offer
}

// check follows a mesh through some steps: the view that is kept up must always be
// the one that is built from nothing, and share what is equal to before.
func check(t *testing.T, m *mesh, steps int) {
	t.Helper()
	var view *model.View
	var last map[model.MemberName]*model.Shard
	for step := range steps {
		changed := m.step()
		before := view
		view = Merge(before, Input{Shards: m.shards, Last: last, Incumbents: m.incumbents}, changed)
		if last = nil; step%8 > 0 { // sometimes it is not known
			last = maps.Clone(m.shards)
		}
		full := Merge(nil, Input{Shards: m.shards, Incumbents: m.incumbents}, nil)
		if diff := gocmp.Diff(full, view, comparing()...); diff != "" {
			t.Fatalf("step %d: kept up is not built anew (-full +kept):\n%s", step, diff)
		}
		if before != nil {
			checkShared(t, before, view)
		}
		checkInvariants(t, m.shards, view)
	}
}

// comparing compares what cmp cannot look into.
func comparing() []gocmp.Option {
	return []gocmp.Option{
		gocmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		gocmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		gocmp.Comparer(func(a, b model.Zone) bool { return a == b }),
		gocmp.Transformer("map", byKey),
		cmpopts.IgnoreFields(model.Service{}, "Offers"), // what follows from them is compared
	}
}

func byKey(services model.Services) map[model.ServiceKey]*model.Service {
	out := map[model.ServiceKey]*model.Service{}
	for service := range services.All() {
		out[service.Key] = service
	}
	return out
}

// checkShared wants old pointers for equal values.
func checkShared(t *testing.T, before, after *model.View) {
	t.Helper()
	same := before.Services.Len() == after.Services.Len() && len(before.Members) == len(after.Members)
	for key, service := range byKey(after.Services) {
		old := before.Services.Get(key)
		if old != service && equalService(old, service) {
			t.Fatalf("%s is equal to before, but another value", key)
		}
		same = same && old == service
	}
	for name, member := range after.Members {
		old := before.Members[name]
		if old != member && old != nil && equalMember(old, member) {
			t.Fatalf("member %s is equal to before, but another value", name)
		}
		same = same && old == member
	}
	if same && before != after {
		t.Fatal("nothing differs, but the view is another one")
	}
}

// checkInvariants holds of every view.
func checkInvariants(t *testing.T, shards map[model.MemberName]*model.Shard, view *model.View) {
	t.Helper()
	for key, service := range byKey(view.Services) {
		if service.Key != key || len(service.Exporters) == 0 {
			t.Fatalf("%s: key %s, exporters %v", key, service.Key, service.Exporters)
		}
		places, names := map[string]bool{}, map[string]bool{}
		for _, port := range service.Ports {
			place := fmt.Sprint(port.Number, port.Protocol)
			if places[place] || names[port.Name] {
				t.Fatalf("%s: ports clash: %v", key, service.Ports)
			}
			places[place], names[port.Name] = true, true
		}
		if !slices.IsSortedFunc(service.Backends, func(a, b model.Backend) int { return cmp.Compare(a.Member, b.Member) }) {
			t.Fatalf("%s: backends are not in order", key)
		}
		for _, backend := range service.Backends {
			offer := shards[backend.Member].Services.Get(key)
			if shards[backend.Member].Member.State == model.Leaving || offer == nil {
				t.Fatalf("%s: %s offers nothing", key, backend.Member)
			}
			for _, name := range backend.Ports {
				if !slices.ContainsFunc(offer.Ports, func(port model.Port) bool {
					return port.Name == name && slices.ContainsFunc(service.Ports, func(kept model.Port) bool {
						return kept.Name == name && samePlace(kept, port)
					})
				}) {
					t.Fatalf("%s: %s gets traffic for a port it does not have: %s", key, backend.Member, name)
				}
			}
		}
	}
}

func TestKeptUpIsBuiltAnew(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		check(t, newMesh(seed), 120)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add(uint64(1), uint8(20))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) { check(t, newMesh(seed), int(steps)) })
}

// sortedKeys are the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// A member's say ends at its own contribution: whatever it offers, the backends of
// the others with the incumbent's ports stay as they were.
func TestOneMemberChangesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	key := model.ServiceKey{Namespace: "ns", Name: "s0"}
	for seed := range uint64(100) {
		m := newMesh(seed)
		honest := m.offer(key)
		input := Input{Incumbents: map[model.ServiceKey]model.MemberName{key: "honest"}}
		input.Shards = map[model.MemberName]*model.Shard{
			"honest": {Member: &model.Member{Name: "honest"}, Services: model.OffersOf(honest)},
		}
		alone := Merge(nil, input, nil).Services.Get(key)
		input.Shards["evil"] = &model.Shard{
			Member: &model.Member{Name: "evil"}, Services: model.OffersOf(m.offer(key)),
		}
		both := Merge(nil, input, nil).Services.Get(key)
		if both.Type != alone.Type || !slices.Equal(both.Ports[:len(alone.Ports)], alone.Ports) {
			t.Fatalf("seed %d: type or ports of the incumbent changed", seed)
		}
		others := slices.DeleteFunc(slices.Clone(both.Backends), func(one model.Backend) bool { return one.Member == "evil" })
		if !slices.EqualFunc(others, alone.Backends, equalBackend) {
			t.Fatalf("seed %d: backends of the incumbent changed", seed)
		}
	}
}
