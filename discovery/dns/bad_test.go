package dns

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const web = "web.shop.svc.clusterset.local."

// TestBadQueries sends what is no ordinary query to a server, by UDP and by TCP. It
// has to answer as wanted, and a good query afterwards.
func TestBadQueries(t *testing.T) {
	t.Parallel()
	good := packed(t, question(web, dns.TypeA))
	edit := func(change func([]byte) []byte) []byte { return change(slices.Clone(good)) }
	about := func(change func(*dns.Msg)) []byte {
		message := question(web, dns.TypeA)
		change(message)
		return packed(t, message)
	}
	opt := func(change func(*dns.OPT)) []byte {
		return about(func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			change(m.IsEdns0())
		})
	}
	pointer := func(to uint16) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(slices.Clone(good[:headerSize]), 0xc000|to), 1<<16|1)
	}
	named := func(name string) []byte {
		return append(append(slices.Clone(good[:headerSize]), name...), 0, 1, 0, 1)
	}
	const silence = ""
	for name, tc := range map[string]struct {
		message []byte
		want    string // the code; none: silence
	}{
		"another zone":                        {packed(t, question("example.org.", dns.TypeA)), "REFUSED"},
		"a zone that ends alike":              {packed(t, question("web.shop.svc.xclusterset.local.", dns.TypeA)), "REFUSED"},
		"the root":                            {packed(t, question(".", dns.TypeNS)), "REFUSED"},
		"class CHAOS":                         {about(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), "REFUSED"},
		"any class":                           {about(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }), "REFUSED"},
		"opcode UPDATE":                       {packed(t, new(dns.Msg).SetUpdate("clusterset.local.")), "NOTIMP"},
		"opcode NOTIFY":                       {packed(t, new(dns.Msg).SetNotify("clusterset.local.")), "NOTIMP"},
		"a transfer":                          {packed(t, new(dns.Msg).SetAxfr("clusterset.local.")), "REFUSED"},
		"a transfer of changes":               {packed(t, new(dns.Msg).SetIxfr("clusterset.local.", 1, "a.", "b.")), "REFUSED"},
		"no question":                         {edit(func(m []byte) []byte { m[5] = 0; return m[:headerSize] }), "FORMERR"},
		"a question that is not said to be":   {edit(func(m []byte) []byte { m[5] = 0; return m }), "FORMERR"},
		"a second question that is not there": {edit(func(m []byte) []byte { m[5] = 2; return m }), "FORMERR"},
		"two questions":                       {about(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), "FORMERR"},
		"a header that is cut off":            {good[:headerSize-1], silence},
		"an empty message":                    {[]byte{}, silence},
		"an answer":                           {edit(func(m []byte) []byte { m[2] |= 0x80; return m }), silence},
		"a question that is cut off":          {good[:len(good)-1], "FORMERR"},
		"a name that is cut off":              {good[:headerSize+5], "FORMERR"},
		"a name that points to itself":        {pointer(headerSize), "FORMERR"},
		"a name that points to the header":    {pointer(0), "FORMERR"},
		"a name that points to nowhere":       {pointer(mostPointer), "FORMERR"},
		"a label of 64":                       {named("\x40" + strings.Repeat("a", 64) + "\x00"), "FORMERR"},
		"a name of 256":                       {named(strings.Repeat("\x01a", 126) + "\x02aa\x00"), "FORMERR"},
		"a name of 255":                       {named(strings.Repeat("\x01a", 127) + "\x00"), "REFUSED"},
		"more than was said":                  {append(slices.Clone(good), 0), "FORMERR"},
		"less than was said":                  {edit(func(m []byte) []byte { m[11] = 1; return m }), "FORMERR"},
		"a record in the answer section":      {about(func(m *dns.Msg) { m.Answer = []dns.RR{hinfo()} }), "FORMERR"},
		"a record in the authority section":   {about(func(m *dns.Msg) { m.Ns = []dns.RR{hinfo()} }), "FORMERR"},
		"an answer section that is not there": {edit(func(m []byte) []byte { m[7] = 1; return m }), "FORMERR"},
		"a second OPT that is not there":      {edit(func(m []byte) []byte { m[11] = 2; return append(m, twoOPT(t)[len(m):len(m)+sizeOPT]...) }), "FORMERR"},
		"options behind the end of OPT": {edit(func(m []byte) []byte {
			m[11] = 1
			return append(append(m, twoOPT(t)[len(m):len(m)+sizeOPT]...), 0, 10, 0, 1, 0)
		}), "FORMERR"},
		"a record that is not OPT": {about(func(m *dns.Msg) { m.Extra = []dns.RR{hinfo()} }), "FORMERR"},
		"two of OPT":               {twoOPT(t), "FORMERR"},
		"EDNS of version 1":        {opt(func(o *dns.OPT) { o.SetVersion(1) }), "BADVERS"},
		"options of 4 kB":          {opt(func(o *dns.OPT) { o.Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: make([]byte, 4096)}} }), "FORMERR"},
		"options over the bound": {opt(func(o *dns.OPT) {
			o.Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: make([]byte, mostOptions-3)}}
		}), "FORMERR"},
		"options up to the bound": {opt(func(o *dns.OPT) {
			o.Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: make([]byte, mostOptions-4)}}
		}), "NOERROR"},
		"an option longer than its room": {endingIn(opt(func(o *dns.OPT) { o.Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: []byte{1}}} }), 0xff, 0xff, 1), "FORMERR"},
		"a cookie": {opt(func(o *dns.OPT) {
			o.Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"}}
		}), "NOERROR"},
		"a type that nobody knows":            {about(func(m *dns.Msg) { m.Question[0].Qtype = 65280 }), "NOERROR"},
		"any type":                            {about(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeANY }), "NOERROR"},
		"a wish for recursion and signatures": {about(func(m *dns.Msg) { m.RecursionDesired, m.CheckingDisabled, m.AuthenticatedData = true, true, true }), "NOERROR"},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(transport+": "+name, func(t *testing.T) {
				t.Parallel()
				r := start(t, Make(nil, newMesh().source(), nil), nil)
				to := r.udp(t, "127.0.0.1")
				if transport == "tcp" {
					to = r.tcp(t, "127.0.0.1")
				}
				if tc.want == silence {
					isIgnored(t, to, tc.message, good)
					return
				}
				reply := to.ask(tc.message)
				if got := word(reply.Rcode); got != tc.want || reply.Id != binary.BigEndian.Uint16(tc.message) {
					t.Errorf("got %s with ID %d, want %s", got, reply.Id, tc.want)
				}
				if !reply.Response || reply.RecursionAvailable || reply.AuthenticatedData || reply.Authoritative != (tc.want == "NOERROR") || reply.Opcode != int(tc.message[2]>>3&0xf) {
					t.Errorf("header %v", reply.MsgHdr)
				}
				if again := to.ask(good); len(again.Answer) != 1 {
					t.Errorf("a good query afterwards got %v", again)
				}
			})
		}
	}
}

// word is a code as text. The library has another word for 16, which means both.
func word(code int) string {
	if code == dns.RcodeBadVers {
		return "BADVERS"
	}
	return dns.RcodeToString[code]
}

// isIgnored sends a message, and a good one behind it, whose answer is the first. A
// connection is closed instead.
func isIgnored(t *testing.T, to *client, message, good []byte) {
	t.Helper()
	to.send(message)
	if to.isTCP() {
		if _, err := to.receive(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want the connection to be closed", err)
		}
		return
	}
	if reply := to.ask(good); len(reply.Answer) != 1 || reply.Id != binary.BigEndian.Uint16(good) {
		t.Errorf("got %v, want the answer to the next query", reply)
	}
}

func hinfo() dns.RR {
	return &dns.HINFO{Hdr: dns.RR_Header{Name: web, Rrtype: dns.TypeHINFO, Class: dns.ClassINET}, Cpu: "x", Os: "y"}
}

func endingIn(message []byte, end ...byte) []byte {
	return append(message[:len(message)-len(end)], end...)
}

// twoOPT is a message as no library makes one.
func twoOPT(t testing.TB) []byte {
	t.Helper()
	message := packed(t, question(web, dns.TypeA).SetEdns0(1232, false))
	message = append(message, message[len(message)-sizeOPT:]...)
	message[11] = 2
	return message
}
