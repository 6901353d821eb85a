package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// BenchmarkAnswer answers one query from bytes to bytes (B9), and beside it the same
// records are answered by the library that other servers are built on, as its
// documentation has it: unpack, look up, reply, pack.
func BenchmarkAnswer(b *testing.B) {
	zone := many(100)
	for name, asked := range map[string]*dns.Msg{
		"A":                     question(web, dns.TypeA),
		"SRV":                   question("_http._tcp."+web, dns.TypeSRV),
		"headless 100":          question(db, dns.TypeA),
		"headless 100, SRV, TC": question(dbSQL, dns.TypeSRV),
		"host":                  question("10-1-0-1.east.db.shop.svc.clusterset.local.", dns.TypeA),
		"no such name":          question("none.shop.svc.clusterset.local.", dns.TypeA),
	} {
		asked.SetEdns0(mostDatagram, false)
		message := packed(b, asked)
		b.Run(name+"/own", func(b *testing.B) {
			room, q := make([]byte, 0, mostDatagram), &query{}
			b.ReportAllocs()
			for turn := uint32(0); b.Loop(); turn++ {
				if out, _ := answer(room, message, q, zone, false, turn); len(out) == 0 {
					b.Fatal("no answer")
				}
			}
		})
		whole := ask(b, zone, asked)
		book := map[dns.Question]*dns.Msg{{Name: strings.ToLower(asked.Question[0].Name), Qtype: asked.Question[0].Qtype, Qclass: dns.ClassINET}: whole}
		b.Run(name+"/library", func(b *testing.B) {
			room := make([]byte, 4*mostDatagram)
			b.ReportAllocs()
			for b.Loop() {
				if out, err := byTheBook(message, book, room); err != nil || len(out) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}

func byTheBook(message []byte, book map[dns.Question]*dns.Msg, room []byte) ([]byte, error) {
	asked := new(dns.Msg)
	if err := asked.Unpack(message); err != nil {
		return nil, err
	}
	key := asked.Question[0]
	key.Name = strings.ToLower(key.Name)
	records := book[key]
	reply := new(dns.Msg).SetRcode(asked, records.Rcode)
	reply.Authoritative, reply.Compress = true, true
	reply.Answer, reply.Ns = records.Answer, records.Ns
	for _, record := range records.Extra {
		if record.Header().Rrtype != dns.TypeOPT {
			reply.Extra = append(reply.Extra, record)
		}
	}
	reply.SetEdns0(mostDatagram, false)
	reply.Truncate(int(asked.IsEdns0().UDPSize()))
	return reply.PackBuffer(room)
}

// BenchmarkMake makes the next zone after one service of many changed.
func BenchmarkMake(b *testing.B) {
	for _, services := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			m := newMesh()
			all := map[model.ServiceKey]*model.Service{}
			address := []netip.Addr{netip.MustParseAddr("10.96.0.1")}
			for i := range services {
				key := model.ServiceKey{Namespace: fmt.Sprint("ns-", i%100), Name: fmt.Sprint("web-", i)}
				all[key] = &model.Service{Key: key, Ports: []model.Port{{Name: "http", Number: 80}}}
				m.addresses[key], m.namespaces[key.Namespace] = address, true
			}
			m.view.Services = m.view.Services.With(all)
			zone := Make(nil, m.source(), nil)
			for _, looked := range []string{"changed", "all"} {
				b.Run("look="+looked, func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						m.touched = m.touched[:0]
						m.headless("db", fmt.Sprintf("10.1.0.%d", i%250+1))
						if looked == "all" {
							zone = Make(zone, m.source(), nil)
						} else {
							zone = Make(zone, m.source(), m.touched)
						}
					}
				})
			}
		})
	}
}

// BenchmarkServer is queries over UDP on loopback, one client for each processor. The
// clients are in this process, too: their cost is in the figures.
func BenchmarkServer(b *testing.B) {
	r := start(b, many(100), func(o *Options) { o.Limits = Limits{Rate: 1e9} })
	message := packed(b, question(web, dns.TypeA))
	b.RunParallel(func(loop *testing.PB) {
		to, buffer := r.udp(b, "127.0.0.1"), make([]byte, mostDatagram)
		const window = 32 // queries under way at a time
		for range window {
			to.send(message)
		}
		for loop.Next() {
			if _, err := to.conn.Read(buffer); err != nil {
				b.Error(err)
				return
			}
			to.send(message)
		}
	})
}
