package resolve

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Kinds of records, and what a server says of a name that it does not know.
const (
	kindA, kindAAAA = 1, 28
	noSuchName      = 3
	misbehaves      = 2
)

// serve is a name server on loopback; it returns a resolver of Go's that asks it.
func serve(t *testing.T, answer func(name string, kind uint16) (code byte, addresses []netip.Addr)) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			size, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(reply(query[:size], answer), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// reply answers one question (RFC 1035, section 4).
func reply(query []byte, answer func(string, uint16) (byte, []netip.Addr)) []byte {
	const header = 12
	var labels []string
	at := header
	for query[at] != 0 {
		size := int(query[at])
		labels = append(labels, string(query[at+1:at+1+size]))
		at += 1 + size
	}
	kind := binary.BigEndian.Uint16(query[at+1:])
	code, addresses := answer(strings.Join(labels, "."), kind)
	out := append([]byte{}, query[:at+5]...)
	out[2], out[3] = 0x81, 0x80|code // a response; recursion was asked for and is available
	binary.BigEndian.PutUint16(out[6:], uint16(len(addresses)))
	binary.BigEndian.PutUint32(out[8:], 0)
	for _, one := range addresses {
		out = append(out, 0xc0, header) // the name of the question
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 60, 0, byte(len(one.AsSlice())))
		out = append(out, one.AsSlice()...)
	}
	return out
}

// TestRealAnswers are read as they are meant, with Go's own resolver.
func TestRealAnswers(t *testing.T) {
	t.Parallel()
	resolver := serve(t, func(name string, kind uint16) (byte, []netip.Addr) {
		switch {
		case name == "both.example.com" && kind == kindA:
			return 0, addresses(v4b, v4a)
		case name == "both.example.com" && kind == kindAAAA:
			return 0, addresses(v6a)
		case name == "four.example.com" && kind == kindA:
			return 0, addresses(v4a)
		case name == "four.example.com":
			return 0, nil
		case name == "broken.example.com":
			return misbehaves, nil
		}
		return noSuchName, nil
	})
	r := New(Options{Lookup: resolver.LookupNetIP})
	r.Want(want("both.example.com", "four.example.com", "none.example.com", "broken.example.com"))
	r.round(t.Context(), func(*name) bool { return true })
	if diff := cmp.Diff(map[string]string{
		"both.example.com": v4a + " " + v4b + " " + v6a, "four.example.com": v4a,
		"none.example.com": "DNS knows no address of it", "broken.example.com": "DNS: server misbehaving",
	}, shown(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
