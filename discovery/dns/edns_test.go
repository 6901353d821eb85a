package dns

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// many is a zone with a headless service of some addresses.
func many(count int) *Zone {
	m := newMesh()
	addresses := make([]string, count)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("10.1.%d.%d", i/250, i%250+1)
	}
	m.headless("db", addresses...)
	return Make(nil, m.source(), nil)
}

const (
	db    = "db.shop.svc.clusterset.local."
	dbSQL = "_sql._tcp." + db
)

// TestRoom asks for more than fits: answers stay within what was asked for and
// within our own bound, say that they are not whole, and are whole over TCP.
func TestRoom(t *testing.T) {
	t.Parallel()
	const count = 300 // pointers do not reach to the end of so many
	r := start(t, many(count), nil)
	for name, tc := range map[string]struct {
		size  uint16 // of EDNS; 0: none
		edns  bool
		bound int
	}{
		"without EDNS":         {0, false, 512},
		"a size of 0":          {0, true, 512},
		"a size below 512":     {100, true, 512},
		"a size in between":    {900, true, 900},
		"a size of 1232":       {1232, true, 1232},
		"more than we send":    {4096, true, 1232},
		"the greatest of them": {65535, true, 1232},
	} {
		for _, asked := range []*dns.Msg{question(db, dns.TypeA), question(dbSQL, dns.TypeSRV)} {
			t.Run(fmt.Sprint(name, ": ", dns.TypeToString[asked.Question[0].Qtype]), func(t *testing.T) {
				t.Parallel()
				asked := asked.Copy()
				if tc.edns {
					asked.SetEdns0(tc.size, true)
				}
				to := r.udp(t, "127.0.0.1")
				to.send(packed(t, asked))
				message, err := to.receive()
				if err != nil {
					t.Fatal(err)
				}
				reply := new(dns.Msg)
				if err := reply.Unpack(message); err != nil {
					t.Fatal(err)
				}
				const largest = 100 // no record here is larger
				if len(message) > tc.bound || len(message) < tc.bound-largest || !reply.Truncated || len(reply.Answer) == 0 {
					t.Errorf("%d bytes with %d records, truncated: %v; want up to %d bytes", len(message), len(reply.Answer), reply.Truncated, tc.bound)
				}
				if opt := reply.IsEdns0(); (opt != nil) != tc.edns || opt != nil && (opt.UDPSize() != mostDatagram || !opt.Do() || opt.Version() != 0) {
					t.Errorf("OPT is %v", opt)
				}
				if whole := r.tcp(t, "127.0.0.1").ask(packed(t, asked)); whole.Truncated || len(whole.Answer) != count {
					t.Errorf("over TCP there are %d records, truncated: %v", len(whole.Answer), whole.Truncated)
				}
			})
		}
	}
}

// TestAdditionalAddressesAreAllOrNone wants those of a target whole, and no target
// twice.
func TestAdditionalAddressesAreAllOrNone(t *testing.T) {
	t.Parallel()
	const hosts, ports = 4, 2
	m := newMesh()
	four, six := &model.Slice{Ports: []model.Port{{Name: "sql", Number: 1}, {Name: "stats", Number: 2}}}, &model.Slice{}
	for i := range byte(hosts) {
		name := fmt.Sprint("db-", i)
		four.Hostnames, six.Hostnames = append(four.Hostnames, name), append(six.Hostnames, name)
		four.Endpoints.Append(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, 0, i})})
		six.Endpoints.Append(model.Endpoint{Addr: netip.AddrFrom16([16]byte{0: 0xfd, 15: i})})
	}
	m.set(keyOf("db"), &model.Service{Key: keyOf("db"), Type: model.Headless, Backends: []model.Backend{
		{Member: "east", Ports: []string{"sql", "stats"}, Slices: []*model.Slice{four, six}},
	}})
	zone := Make(nil, m.source(), nil)
	counts := map[int]bool{}
	for size := leastDatagram; size <= mostDatagram; size += 8 {
		out, _ := answer(nil, packed(t, question(db, dns.TypeSRV).SetEdns0(uint16(size), false)), &query{}, zone, false, uint32(size))
		reply := new(dns.Msg)
		if err := reply.Unpack(out); err != nil || len(out) > size {
			t.Fatalf("size %d: %d bytes, %v", size, len(out), err)
		}
		targets, addresses := map[string]bool{}, map[string][]uint16{}
		for _, record := range reply.Answer {
			targets[record.(*dns.SRV).Target] = true
		}
		for _, record := range reply.Extra {
			if head := record.Header(); head.Rrtype != dns.TypeOPT {
				addresses[head.Name] = append(addresses[head.Name], head.Rrtype)
			}
		}
		for owner, kinds := range addresses {
			if diff := cmp.Diff([]uint16{dns.TypeA, dns.TypeAAAA}, kinds); diff != "" || !targets[owner] {
				t.Errorf("size %d: addresses of %s (-want +got):\n%s", size, owner, diff)
			}
		}
		if reply.Truncated != (len(reply.Answer) < hosts*ports) {
			t.Errorf("size %d: %d records, truncated: %v", size, len(reply.Answer), reply.Truncated)
		}
		counts[len(addresses)] = true
	}
	if diff := cmp.Diff(map[int]bool{0: true, 1: true, 2: true, 3: true, 4: true}, counts); diff != "" {
		t.Errorf("numbers of targets with addresses (-want +got):\n%s", diff)
	}
}

// TestTurns wants every record to come first at some time, and all of them always.
func TestTurns(t *testing.T) {
	t.Parallel()
	const count = 5
	zone := many(count)
	for _, asked := range []*dns.Msg{question(db, dns.TypeA), question(dbSQL, dns.TypeSRV)} {
		first := map[string]bool{}
		for turn := range uint32(count) {
			out, _ := answer(nil, packed(t, asked), &query{}, zone, false, turn)
			reply := new(dns.Msg)
			if err := reply.Unpack(out); err != nil {
				t.Fatal(err)
			}
			all := map[string]bool{}
			for _, record := range reply.Answer {
				all[record.String()] = true
			}
			if len(all) != count {
				t.Errorf("turn %d: %d records, want %d", turn, len(all), count)
			}
			first[reply.Answer[0].String()] = true
		}
		if len(first) != count {
			t.Errorf("%s: %d records came first, want %d", asked.Question[0].Name, len(first), count)
		}
	}
}
