package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	v4a, v4b = "192.0.2.1", "192.0.2.2"
	v6a      = "2001:db8::1"
)

var (
	noHost  = &net.DNSError{Err: "no such host", IsNotFound: true}
	timeout = &net.DNSError{Err: "read udp 10.1.2.3:4567->10.96.0.10:53: i/o timeout", IsTimeout: true}
	refused = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	other   = &net.DNSError{Err: "dial udp 10.1.2.3:4567: connect: network is unreachable"}
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

func addresses(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func texts(addresses []netip.Addr) []string {
	var out []string
	for _, one := range addresses {
		out = append(out, one.String())
	}
	return out
}

// TestWhatIsKept: an answer takes the place of the one before, and nothing else does.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	const long = time.Minute
	for name, tc := range map[string]struct {
		before       []string
		ipv4, ipv6   []string
		err4, err6   error
		failingSince time.Duration
		want         []string
		failure      string
	}{
		"both families":                              {ipv4: []string{v4b, v4a}, ipv6: []string{v6a}, want: []string{v4a, v4b, v6a}},
		"IPv4 only":                                  {ipv4: []string{v4a}, err6: noHost, want: []string{v4a}},
		"IPv4 written as IPv6, and twice":            {ipv4: []string{"::ffff:192.0.2.1", v4a}, err6: noHost, want: []string{v4a}},
		"IPv6 only":                                  {err4: noHost, ipv6: []string{v6a}, want: []string{v6a}},
		"others than before":                         {before: []string{v4a, v6a}, ipv4: []string{v4b}, err6: noHost, want: []string{v4b}},
		"no such name":                               {err4: noHost, err6: noHost, failure: "DNS knows no address of it"},
		"no such name any more":                      {before: []string{v4a}, err4: noHost, err6: noHost, want: []string{v4a}},
		"no such name for long":                      {before: []string{v4a}, err4: noHost, err6: noHost, failingSince: long, want: []string{v4a}, failure: "DNS knows no address of it"},
		"an answer without an address":               {before: []string{v4a}, want: []string{v4a}},
		"DNS is silent":                              {before: []string{v4a, v6a}, err4: timeout, err6: timeout, want: []string{v4a, v6a}},
		"DNS is silent for long":                     {before: []string{v4a}, err4: timeout, err6: timeout, failingSince: long, want: []string{v4a}, failure: "DNS does not answer in time"},
		"DNS was always silent":                      {err4: timeout, err6: context.DeadlineExceeded, failure: "DNS does not answer in time"},
		"DNS refuses":                                {err4: refused, err6: refused, failure: "DNS: server misbehaving"},
		"DNS is out of reach":                        {err4: other, err6: errors.New("dial"), failure: "DNS cannot be asked"},
		"one family is silent, and had addresses":    {before: []string{v4a, v6a}, ipv4: []string{v4b}, err6: timeout, failingSince: long, want: []string{v4b, v6a}, failure: "DNS does not answer in time"},
		"one family is silent, and never had any":    {ipv4: []string{v4a}, err6: timeout, failingSince: long, want: []string{v4a}},
		"one family is silent, and the other denies": {before: []string{v4a}, err4: noHost, err6: timeout, want: []string{v4a}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newName(addresses(tc.before...))
			if tc.failingSince > 0 {
				n.failing = noon.Add(-tc.failingSince)
			}
			n.note([families]found{foundOf(addresses(tc.ipv4...), tc.err4), foundOf(addresses(tc.ipv6...), tc.err6)}, noon, long)
			if diff := cmp.Diff(tc.want, texts(n.answer.Addresses)); diff != "" || n.answer.Failure != tc.failure {
				t.Errorf("failure %q, want %q (-want +got)\n%s", n.answer.Failure, tc.failure, diff)
			}
		})
	}
}

// TestAFailureEnds with the next good answer, and begins anew after it.
func TestAFailureEnds(t *testing.T) {
	t.Parallel()
	good, bad := foundOf(addresses(v4a), nil), foundOf(nil, timeout)
	none := foundOf(nil, noHost)
	n := newName(nil)
	for i, step := range []struct {
		at    time.Duration
		found found
		want  bool
	}{{0, good, false}, {time.Second, bad, false}, {61 * time.Second, bad, true}, {62 * time.Second, good, false}, {63 * time.Second, bad, false}, {122 * time.Second, bad, false}, {123 * time.Second, bad, true}} {
		n.note([families]found{step.found, none}, noon.Add(step.at), time.Minute)
		if said := n.answer.Failure != ""; said != step.want || len(n.answer.Addresses) != 1 {
			t.Errorf("step %d: %+v", i+1, n.answer)
		}
	}
}

// TestManyAddresses: of more than a few the same ones are used each time.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	var many []netip.Addr
	for i := range 40 {
		many = append(many, netip.AddrFrom4([4]byte{192, 0, 2, byte(40 - i)}))
	}
	got := foundOf(many, nil).addresses
	if len(got) != maxAddresses || got[0].String() != v4a || !strings.HasSuffix(got[maxAddresses-1].String(), ".8") {
		t.Errorf("got %v", got)
	}
}
