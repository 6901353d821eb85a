package discovery

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/dns"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
)

// TestReadyOnceNamesAreKnown: a view is enough where no name is answered, and a zone is
// needed where they are.
func TestReadyOnceNamesAreKnown(t *testing.T) {
	t.Parallel()
	a := &Agent{loop: &loop{}}
	if a.ready() == nil {
		t.Error("it is ready before it knows a member")
	}
	a.loop.announce(&State{View: &model.View{}})
	if err := a.ready(); err != nil {
		t.Errorf("it answers no name, and is not ready: %v", err)
	}
	a.answers = &answerer{agent: a, server: dns.New(dns.Options{})}
	if a.ready() == nil {
		t.Error("it is ready before it has a zone")
	}
	a.answers.server.Set(dns.Make(nil, dns.Source{View: &model.View{}}, nil))
	if err := a.ready(); err != nil {
		t.Errorf("it has a zone, and is not ready: %v", err)
	}
}

// TestUnnamedEndpointsAreTold to whoever writes imports, and to monitoring.
func TestUnnamedEndpointsAreTold(t *testing.T) {
	t.Parallel()
	key, member := model.ServiceKey{Namespace: "shop", Name: "db"}, model.MemberName("east")
	service := &model.Service{Key: key, Type: model.Headless, Backends: []model.Backend{{Member: member, Slices: []*model.Slice{{
		Hostnames: []string{string(make([]byte, 64)), "db-0"},
		Endpoints: model.EndpointsOf(model.Endpoint{Addr: netip.MustParseAddr("10.0.0.1")}, model.Endpoint{Addr: netip.MustParseAddr("10.0.0.2")}),
	}}}}}
	view := &model.View{
		Members: map[model.MemberName]*model.Member{member: {Name: member}}, Services: model.Services{}.With(map[model.ServiceKey]*model.Service{key: service}),
	}
	d := &answerer{server: dns.New(dns.Options{})}
	if d.unnamed()[key] != 0 || d.counted().Services != 0 {
		t.Error("something is told without a zone")
	}
	d.server.Set(dns.Make(nil, dns.Source{View: view, Namespace: func(string) bool { return true }}, nil))
	if got := d.unnamed()[key]; got != 1 {
		t.Errorf("%d endpoints have no name, want 1", got)
	}
	got := d.counted()
	if got.Services != 1 || got.Omitted != 1 || got.Records != 4 || got.Changed.IsZero() {
		t.Errorf("counted %+v, want 1 service of 4 records and 1 endpoint without a name", *got)
	}
	if _, known := got.Dropped[dns.DropRate]; !known || len(got.Answers) != 0 {
		t.Errorf("counted %+v", *got)
	}
}

// TestAZoneIsMadeFromWhatChanged: services of the view, addresses of the own cluster, and
// everything where a namespace came or went.
func TestAZoneIsMadeFromWhatChanged(t *testing.T) {
	t.Parallel()
	key := func(name string) model.ServiceKey { return model.ServiceKey{Namespace: "shop", Name: name} }
	services := model.Services{}.With(map[model.ServiceKey]*model.Service{key("a"): {Key: key("a")}, key("b"): {Key: key("b")}})
	first := &model.View{Services: services}
	second := &model.View{Services: services.With(map[model.ServiceKey]*model.Service{key("b"): {Key: key("b")}})}
	d := &answerer{touched: dirty.New[model.ServiceKey](make(chan struct{}, 1))}
	for _, step := range []struct {
		name    string
		touched []model.ServiceKey
		view    *model.View
		want    []model.ServiceKey
	}{
		{"the first time", []model.ServiceKey{key("a")}, first, nil},
		{"nothing", nil, first, []model.ServiceKey{}},
		{"a service", nil, second, []model.ServiceKey{key("b")}},
		{"an address", []model.ServiceKey{key("a")}, second, []model.ServiceKey{key("a")}},
		{"both", []model.ServiceKey{key("a")}, first, []model.ServiceKey{key("a"), key("b")}},
		{"a namespace", []model.ServiceKey{{Namespace: "shop"}}, first, nil},
		{"nothing any more", nil, first, []model.ServiceKey{}},
	} {
		d.touched.Add(step.touched...)
		got := d.changed(step.view)
		slices.SortFunc(got, model.ServiceKey.Compare)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", step.name, diff)
		}
	}
}
