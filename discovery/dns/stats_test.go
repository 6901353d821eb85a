package dns

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func TestStats(t *testing.T) {
	t.Parallel()
	r := start(t, many(60), nil)
	over, stream := r.udp(t, "127.0.0.1"), r.tcp(t, "127.0.0.1")
	good := packed(t, question(web, dns.TypeA))
	over.send(good[:3])
	for _, message := range [][]byte{
		good, good, packed(t, question(db, dns.TypeA)), packed(t, question("none.shop.svc.clusterset.local.", dns.TypeSRV)),
		good[:headerSize], packed(t, new(dns.Msg).SetUpdate("clusterset.local.")), packed(t, question("example.org.", dns.TypePTR)),
		packed(t, question(web, 65280)),
	} {
		over.ask(message)
	}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeSOA, dns.TypeNS, dns.TypeANY} {
		stream.ask(packed(t, question(db, kind)))
	}
	want := Stats{
		Answers: map[Answered]uint64{
			{"udp", "A", "NOERROR"}: 3, {"udp", "SRV", "NXDOMAIN"}: 1, {"udp", "other", "FORMERR"}: 1, {"udp", "other", "NOTIMP"}: 1,
			{"udp", "PTR", "REFUSED"}: 1, {"udp", "other", "NOERROR"}: 1,
			{"tcp", "A", "NOERROR"}: 1, {"tcp", "AAAA", "NOERROR"}: 1, {"tcp", "TXT", "NOERROR"}: 1, {"tcp", "SOA", "NOERROR"}: 1,
			{"tcp", "NS", "NOERROR"}: 1, {"tcp", "ANY", "NOERROR"}: 1,
		},
		Dropped:   map[string]uint64{DropMalformed: 1, DropRate: 0, DropWrite: 0, DropConnections: 0, DropBug: 0},
		Truncated: 1, Connections: 1,
	}
	// An answer is counted after it was sent.
	waitFor(t, func() bool { return r.Stats().Answers[Answered{"tcp", "ANY", "NOERROR"}] > 0 })
	if diff := cmp.Diff(want, r.Stats(), cmpopts.IgnoreFields(Stats{}, "Changed")); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// TestChangedIsOfTheZone: the same zone again is no change.
func TestChangedIsOfTheZone(t *testing.T) {
	t.Parallel()
	zone, server := many(2), New(Options{})
	if at := server.Stats().Changed; !at.IsZero() {
		t.Errorf("without a zone it changed at %s", at)
	}
	server.Set(zone)
	first := server.Stats().Changed
	server.Set(zone)
	if again := server.Stats().Changed; first.IsZero() || !again.Equal(first) {
		t.Errorf("changed at %s, then at %s", first, again)
	}
	server.Set(many(3))
	if later := server.Stats().Changed; !later.After(first) {
		t.Errorf("changed at %s, then another zone at %s", first, later)
	}
}

// TestSizeCountsUnderEveryName: one host has an address under the name of the service
// and under both forms of its own, and its port is under two names.
func TestSizeCountsUnderEveryName(t *testing.T) {
	t.Parallel()
	port := []model.Port{{Name: "http", Number: 80}}
	named, unnamed := model.ServiceKey{Namespace: "shop", Name: "db"}, model.ServiceKey{Namespace: "shop", Name: "web"}
	zone := Make(nil, Source{
		View: &model.View{
			Members: map[model.MemberName]*model.Member{"east": {Name: "east", Region: "eu"}},
			Services: model.Services{}.With(map[model.ServiceKey]*model.Service{
				unnamed: {Key: unnamed, Ports: port},
				named: {Key: named, Type: model.Headless, Ports: port, Backends: []model.Backend{{Member: "east", Ports: []string{"http"}, Slices: []*model.Slice{{
					Ports: port, Endpoints: model.EndpointsOf(model.Endpoint{Addr: netip.MustParseAddr("10.0.0.1")}),
				}}}}},
			}),
		},
		Namespace: func(string) bool { return true }, Addresses: func(model.ServiceKey) []netip.Addr { return nil },
	}, nil)
	if diff := cmp.Diff(Size{Services: 1, Records: 5}, zone.Size()); diff != "" {
		t.Errorf("size (-want +got):\n%s", diff)
	}
}

// TestExemptSources are known in either notation.
func TestExemptSources(t *testing.T) {
	t.Parallel()
	r := start(t, nil, limits("10.0.0.0/24", func(l *Limits) { l.Rate, l.Burst = 1, 1 }))
	got := map[string]bool{}
	for _, source := range []string{"10.0.0.1", "::ffff:10.0.0.1", "10.0.1.1", "::ffff:10.0.1.1", "fd00::1"} {
		for range 2 {
			got[source] = r.admits(netip.MustParseAddr(source))
		}
	}
	want := map[string]bool{"10.0.0.1": true, "::ffff:10.0.0.1": true, "10.0.1.1": false, "::ffff:10.0.1.1": false, "fd00::1": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("admitted (-want +got):\n%s", diff)
	}
}
