package dns

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzQuery holds the reader of queries against another library's: what is accepted,
// that library reads alike. Answers can be read and are about the question.
func FuzzQuery(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	zone := many(60)
	f.Fuzz(func(t *testing.T, message []byte) {
		q := &query{}
		if result := q.read(message); result == codeOK || result == codeBadVersion {
			readAlike(t, message, q)
		}
		for _, tcp := range []bool{false, true} {
			out, result := answer(nil, message, q, zone, tcp, 7)
			if (len(out) == 0) != (result == codeSilence) {
				t.Fatalf("%d bytes with code %d", len(out), result)
			}
			if len(out) > 0 {
				isSound(t, message, out, tcp)
			}
		}
	})
}

// seeds are kept small: one of each kind.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	with := question("DB.shop.svc.clusterset.local.", dns.TypeAAAA).SetEdns0(900, true)
	with.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"}}
	next := question(web, dns.TypeA).SetEdns0(0, false)
	next.IsEdns0().SetVersion(1)
	return [][]byte{
		packed(t, question(web, dns.TypeA)), packed(t, question(dbSQL, dns.TypeSRV)), packed(t, with), packed(t, next), twoOPT(t),
		packed(t, question("clusterset.local.", dns.TypeNS)), packed(t, new(dns.Msg).SetIxfr("clusterset.local.", 1, "a.", "b.")),
		packed(t, question("10-1-0-1.east.eu.db.shop.svc.clusterset.local.", dns.TypeANY)), packed(t, new(dns.Msg).SetUpdate("clusterset.local.")),
		packed(t, question(".", dns.TypeNS)), packed(t, question(`a\000b\.c.shop.svc.clusterset.local.`, dns.TypeA)),
	}
}

// readAlike compares what was read. Options are left out: the library understands
// some of them, and refuses what we do not look at.
func readAlike(t *testing.T, message []byte, q *query) {
	t.Helper()
	message = slices.Clone(message)
	if q.edns {
		message = message[:q.end+sizeOPT]
		binary.BigEndian.PutUint16(message[q.end+sizeOPT-2:], 0)
	}
	other := new(dns.Msg)
	if err := other.Unpack(message); err != nil {
		t.Fatalf("accepted, and yet: %v", err)
	}
	name, _, err := dns.UnpackDomainName(bytes.Clone(q.name[:q.length]), 0)
	if err != nil {
		t.Fatalf("name: %v", err)
	}
	asked, opt := other.Question[0], other.IsEdns0()
	if !strings.EqualFold(name, asked.Name) || q.kind != asked.Qtype || q.class != asked.Qclass || len(other.Question) != 1 || other.Opcode != dns.OpcodeQuery {
		t.Fatalf("read %q %d %d, the library says %v", name, q.kind, q.class, other)
	}
	if q.edns != (opt != nil) || q.edns && (q.size != opt.UDPSize() || q.version != opt.Version() || q.secure != opt.Do()) {
		t.Fatalf("read EDNS %v, the library says %v", q, opt)
	}
	if count := dns.CountLabel(asked.Name); count != q.count {
		t.Fatalf("read %d labels, the library says %d", q.count, count)
	}
}

// isSound reads an answer.
func isSound(t *testing.T, message, out []byte, tcp bool) {
	t.Helper()
	reply := new(dns.Msg)
	if err := reply.Unpack(out); err != nil {
		t.Fatalf("the answer cannot be read: %v", err)
	}
	bound := mostDatagram
	if reply.IsEdns0() == nil {
		bound = leastDatagram
	}
	if !tcp && len(out) > bound {
		t.Fatalf("%d bytes, the bound is %d", len(out), bound)
	}
	if reply.Id != binary.BigEndian.Uint16(message) || !reply.Response {
		t.Fatalf("header %v", reply.MsgHdr)
	}
	if len(reply.Question) == 1 {
		end := len(packed(t, &dns.Msg{Question: reply.Question}))
		if !bytes.Equal(out[headerSize:end], message[headerSize:end]) {
			t.Fatalf("another question came back")
		}
	}
	for _, record := range reply.Answer {
		if !strings.EqualFold(record.Header().Name, reply.Question[0].Name) {
			t.Fatalf("a record of %s", record.Header().Name)
		}
	}
}
