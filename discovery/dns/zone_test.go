package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// mesh is a source that tests change between one zone and the next.
type mesh struct {
	view       model.View
	addresses  map[model.ServiceKey][]netip.Addr
	namespaces map[string]bool
	complete   bool
	// touched are the services that were changed since newMesh; nil: any of them.
	touched []model.ServiceKey
}

func newMesh() *mesh {
	m := &mesh{addresses: map[model.ServiceKey][]netip.Addr{}, namespaces: map[string]bool{"shop": true}, complete: true}
	m.member(model.Member{Name: "east", Network: "here", Region: "eu"})
	m.headless("db", "10.1.0.1")
	m.vip("web", "10.96.0.1")
	m.vip("api", "10.96.0.2")
	m.touched = []model.ServiceKey{}
	return m
}

func (m *mesh) member(one model.Member) {
	members := map[model.MemberName]*model.Member{one.Name: &one}
	for name, other := range m.view.Members {
		if name != one.Name {
			members[name] = other
		}
	}
	m.view.Members = members
}

func keyOf(name string) model.ServiceKey { return model.ServiceKey{Namespace: "shop", Name: name} }

func (m *mesh) set(key model.ServiceKey, service *model.Service) {
	m.view.Services = m.view.Services.With(map[model.ServiceKey]*model.Service{key: service})
	m.touched = append(m.touched, key)
}

func (m *mesh) address(name, address string) {
	m.addresses[keyOf(name)] = []netip.Addr{netip.MustParseAddr(address)}
	m.touched = append(m.touched, keyOf(name))
}

func (m *mesh) vip(name, address string) {
	m.set(keyOf(name), &model.Service{Key: keyOf(name), Ports: []model.Port{{Name: "http", Number: 80}}})
	m.address(name, address)
}

func (m *mesh) headless(name string, addresses ...string) {
	slice := &model.Slice{Ports: []model.Port{{Name: "sql", Number: 5432}}}
	for _, address := range addresses {
		slice.Endpoints.Append(model.Endpoint{Addr: netip.MustParseAddr(address)})
	}
	m.set(keyOf(name), &model.Service{Key: keyOf(name), Type: model.Headless, Backends: []model.Backend{
		{Member: "east", Ports: []string{"sql"}, Slices: []*model.Slice{slice}},
	}})
}

func (m *mesh) source() Source {
	view := m.view
	return Source{
		View: &view, Complete: m.complete, From: model.Vantage{Network: "here"},
		Addresses: func(key model.ServiceKey) []netip.Addr { return m.addresses[key] },
		Namespace: func(name string) bool { return m.namespaces[name] },
	}
}

// addressesOf is what a name leads to in a zone, or the code of the answer.
func addressesOf(t testing.TB, zone *Zone, name string) string {
	t.Helper()
	reply := ask(t, zone, new(dns.Msg).SetQuestion(name+".shop.svc.clusterset.local.", dns.TypeA))
	words := []string{dns.RcodeToString[reply.Rcode]}
	for _, record := range reply.Answer {
		words = append(words, record.(*dns.A).A.String())
	}
	return strings.Join(words, " ")
}

// TestChanges changes one thing each, and wants the answer to follow, in the next zone
// and in one made from nothing, and all other services to be what they were.
func TestChanges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*mesh)
		asked   string
		want    string
		repacks []string
	}{
		"another address":           {func(m *mesh) { m.address("web", "10.96.0.9") }, "web", "NOERROR 10.96.0.9", []string{"web"}},
		"no address":                {func(m *mesh) { m.address("web", "10.96.0.9"); delete(m.addresses, keyOf("web")) }, "web", "NXDOMAIN", []string{"web"}},
		"a service that is new":     {func(m *mesh) { m.vip("new", "10.96.0.3") }, "new", "NOERROR 10.96.0.3", []string{"new"}},
		"endpoints":                 {func(m *mesh) { m.headless("db", "10.1.0.7") }, "db", "NOERROR 10.1.0.7", []string{"db"}},
		"no endpoints":              {func(m *mesh) { m.headless("db") }, "db", "NXDOMAIN", []string{"db"}},
		"a service that is gone":    {func(m *mesh) { m.set(keyOf("db"), nil) }, "db", "NXDOMAIN", []string{"db"}},
		"the namespace is gone":     {func(m *mesh) { m.namespaces["shop"], m.touched = false, nil }, "web", "NXDOMAIN", []string{"api", "db", "web"}},
		"a member moves":            {func(m *mesh) { m.member(model.Member{Name: "east", Network: "here", Region: "us"}) }, "10-1-0-1.east.us.db", "NOERROR 10.1.0.1", []string{"db"}},
		"a member that matters not": {func(m *mesh) { m.member(model.Member{Name: "west", Network: "here"}) }, "web", "NOERROR 10.96.0.1", nil},
		"members are missing":       {func(m *mesh) { m.complete = false }, "none", "SERVFAIL", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh()
			before := Make(nil, m.source(), nil)
			was := addressesOf(t, before, tc.asked)
			tc.change(m)
			after := Make(before, m.source(), m.touched)
			for how, zone := range map[string]*Zone{
				"made from the changes": after, "made by looking at all": Make(before, m.source(), nil), "made anew": Make(nil, m.source(), nil),
			} {
				if got := addressesOf(t, zone, tc.asked); got != tc.want {
					t.Errorf("%s: %s is %q, want %q", how, tc.asked, got, tc.want)
				}
			}
			if got := addressesOf(t, before, tc.asked); got != was {
				t.Errorf("the previous zone says %q now, before it said %q", got, was)
			}
			var repacked []string
			for _, one := range []string{"api", "db", "new", "web"} {
				if before.get(keyOf(one)) != after.get(keyOf(one)) {
					repacked = append(repacked, one)
				}
			}
			if diff := cmp.Diff(tc.repacks, repacked); diff != "" {
				t.Errorf("services that were packed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEqualSourceIsSilence(t *testing.T) {
	t.Parallel()
	m := newMesh()
	zone := Make(nil, m.source(), nil)
	for _, changed := range [][]model.ServiceKey{nil, {}, {keyOf("web"), keyOf("none")}} {
		if again := Make(zone, m.source(), changed); again != zone {
			t.Errorf("nothing changed, and there is another zone (looked at: %v)", changed)
		}
	}
	if got := zone.Size().Services; got != 3 {
		t.Errorf("%d services have a name, want 3", got)
	}
	nobody := Source{View: &model.View{}}
	if Make(nil, nobody, nil) == nil {
		t.Error("a mesh without services has no zone")
	}
}

// TestAnotherPlace makes everything anew for whoever asks from elsewhere.
func TestAnotherPlace(t *testing.T) {
	t.Parallel()
	m := newMesh()
	m.headless("db", "10.1.0.1")
	there := m.source()
	there.From.Network = "there"
	zone := Make(Make(nil, m.source(), nil), there, []model.ServiceKey{})
	if near := zone.get(keyOf("db")).root.a.near; near != 0 {
		t.Errorf("from another network %d endpoints are near", near)
	}
	server := new(dns.Msg).SetQuestion("ns.dns.clusterset.local.", dns.TypeA)
	there.Servers = []netip.Addr{netip.MustParseAddr("10.96.0.53")}
	zone = Make(zone, there, []model.ServiceKey{})
	if reply := ask(t, zone, server); len(reply.Answer) != 1 {
		t.Errorf("the name server: %v", reply)
	}
	there.Servers = nil
	if reply := ask(t, Make(zone, there, []model.ServiceKey{}), server); len(reply.Answer) != 0 {
		t.Errorf("the name server that is gone: %v", reply)
	}
}

// TestANamespaceGoesWithItsLastName keeps a parent for as long as it has children.
func TestANamespaceGoesWithItsLastName(t *testing.T) {
	t.Parallel()
	m := newMesh()
	zone := Make(nil, m.source(), nil)
	for _, step := range []struct {
		change func()
		want   int
	}{
		{func() { m.set(keyOf("web"), nil) }, dns.RcodeSuccess},
		{func() { m.set(keyOf("api"), nil) }, dns.RcodeSuccess},
		{func() { m.headless("db") }, dns.RcodeNameError},
		{func() { m.headless("db", "10.1.0.1") }, dns.RcodeSuccess},
		{func() { m.set(keyOf("db"), nil) }, dns.RcodeNameError},
	} {
		step.change()
		zone = Make(zone, m.source(), nil)
		if reply := ask(t, zone, question("shop.svc.clusterset.local.", dns.TypeA)); reply.Rcode != step.want {
			t.Errorf("with %d services the namespace is %s, want %s", zone.Size().Services, word(reply.Rcode), word(step.want))
		}
	}
	if len(zone.spaces) != 0 || zone.count != 0 {
		t.Errorf("%d namespaces and %d services are left over", len(zone.spaces), zone.count)
	}
}

// TestManyHosts bounds what one name leads to, in the same way for both families.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	m := newMesh()
	backend := model.Backend{Member: "east"}
	for i := range 3 * mostHosts {
		name, low := fmt.Sprintf("db-%d", i), []byte{byte(i >> 8), byte(i)}
		backend.Slices = append(backend.Slices,
			&model.Slice{Hostnames: []string{name}, Endpoints: model.EndpointsOf(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, low[0], low[1]})})},
			&model.Slice{Hostnames: []string{name}, Endpoints: model.EndpointsOf(model.Endpoint{Addr: netip.AddrFrom16([16]byte{0: 0xfd, 14: low[0], 15: low[1]})})})
	}
	m.set(keyOf("db"), &model.Service{Key: keyOf("db"), Type: model.Headless, Backends: []model.Backend{backend}})
	zone := Make(nil, m.source(), nil)
	var sets [2][]string
	for i, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		for _, record := range ask(t, zone, new(dns.Msg).SetQuestion("db.shop.svc.clusterset.local.", kind)).Answer {
			switch one := record.(type) {
			case *dns.A:
				sets[i] = append(sets[i], fmt.Sprintf("%x", []byte(one.A.To4()[2:])))
			case *dns.AAAA:
				sets[i] = append(sets[i], fmt.Sprintf("%x", []byte(one.AAAA[14:])))
			}
		}
	}
	if len(sets[0]) != mostHosts {
		t.Errorf("the name leads to %d hosts, want %d", len(sets[0]), mostHosts)
	}
	if diff := cmp.Diff(sets[0], sets[1]); diff != "" {
		t.Errorf("the families differ (-IPv4 +IPv6):\n%s", diff)
	}
	if got := addressesOf(t, zone, fmt.Sprintf("db-%d.east.db", 3*mostHosts-1)); !strings.HasPrefix(got, "NOERROR 10.0.") {
		t.Errorf("a host beyond the bound has no name of its own: %s", got)
	}
}

func TestNamesFitOrAreOmitted(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", mostLabel)
	for name, tc := range map[string]struct {
		host, region string
		names        []string
		omitted      int
	}{
		"both forms fit":             {"h", "eu", []string{"h.east", "h.east.eu"}, 0},
		"the shorter form fits":      {strings.Repeat("h", 36), long, []string{strings.Repeat("h", 36) + ".east"}, 0},
		"a name of 253 characters":   {strings.Repeat("h", 63), strings.Repeat("r", 35), []string{strings.Repeat("h", 63) + ".east", strings.Repeat("h", 63) + ".east." + strings.Repeat("r", 35)}, 0},
		"a name of 254 characters":   {strings.Repeat("h", 63), strings.Repeat("r", 36), []string{strings.Repeat("h", 63) + ".east"}, 0},
		"a hostname of 64":           {strings.Repeat("h", 64), "eu", nil, 1},
		"a region that is no label":  {"h", "eu.west", []string{"h.east"}, 0},
		"upper case is written down": {"H", "EU", []string{"h.east", "h.east.eu"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh()
			m.member(model.Member{Name: "east", Network: "here", Region: tc.region})
			key := model.ServiceKey{Namespace: long, Name: long}
			m.namespaces[long] = true
			m.set(key, &model.Service{Key: key, Type: model.Headless, Backends: []model.Backend{{Member: "east", Slices: []*model.Slice{{
				Hostnames: []string{tc.host}, Endpoints: model.EndpointsOf(model.Endpoint{Addr: netip.MustParseAddr("10.0.0.1")}),
			}}}}})
			zone := Make(nil, m.source(), nil)
			got := map[string]bool{}
			for name, at := range zone.get(key).names {
				if !at.bare() {
					full, _, err := dns.UnpackDomainName([]byte(name+"\x00"), 0)
					if err != nil {
						t.Fatal(err)
					}
					got[strings.TrimSuffix(full, ".")] = true
				}
			}
			want := map[string]bool{}
			for _, one := range tc.names {
				want[one] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if zone.Omitted()[key] != tc.omitted || zone.Size().Omitted != tc.omitted {
				t.Errorf("omitted are %d and %d in all, want %d", zone.Omitted()[key], zone.Size().Omitted, tc.omitted)
			}
			m.set(key, nil)
			next := Make(zone, m.source(), nil)
			if len(next.Omitted()) > 0 || zone.Omitted()[key] != tc.omitted {
				t.Errorf("omitted are %v once the service is gone, and %v in the zone of before", next.Omitted(), zone.Omitted())
			}
		})
	}
}
