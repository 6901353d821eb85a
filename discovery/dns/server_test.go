package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestBeforeTheFirstZone answers by failures, which nobody takes for denials.
func TestBeforeTheFirstZone(t *testing.T) {
	t.Parallel()
	r := start(t, nil, nil)
	to := r.udp(t, "127.0.0.1")
	if r.Ready() == nil {
		t.Error("it is ready")
	}
	for name, want := range map[string]int{
		web: dns.RcodeServerFailure, "clusterset.local.": dns.RcodeServerFailure, "example.org.": dns.RcodeRefused,
	} {
		if reply := to.ask(packed(t, question(name, dns.TypeA))); reply.Rcode != want || reply.Authoritative {
			t.Errorf("%s is answered by %s", name, dns.RcodeToString[reply.Rcode])
		}
	}
	r.Set(Make(nil, newMesh().source(), nil))
	if err := r.Ready(); err != nil {
		t.Errorf("with a zone: %v", err)
	}
	if reply := to.ask(packed(t, question(web, dns.TypeA))); len(reply.Answer) != 1 {
		t.Errorf("with a zone: %v", reply)
	}
}

// limits are those of a test that none shall reach but what it is about; no limit
// holds for the exempt source.
func limits(exempt string, change func(*Limits)) func(*Options) {
	return func(o *Options) {
		o.Exempt = func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(exempt)} }
		o.Limits = Limits{Rate: 1e6, Burst: 1e6, Idle: patience}
		change(&o.Limits)
	}
}

// TestFlood lets one source ask far too often. Another one is answered all the time,
// and what goes out to the first is no more than what came in.
func TestFlood(t *testing.T) {
	t.Parallel()
	const allowed, asked, honest = 10, 400, 200
	r := start(t, many(60), limits("127.0.0.3/32", func(l *Limits) { l.Rate, l.Burst = 1, allowed }))
	flood, other := r.udp(t, "127.0.0.2"), r.udp(t, "127.0.0.3")
	message := packed(t, question(db, dns.TypeA))
	for i := range honest {
		for range asked / honest {
			flood.send(message)
		}
		if reply := other.ask(message); len(reply.Answer) == 0 {
			t.Fatalf("query %d of the other source: %v", i, reply)
		}
	}
	// Each datagram was taken or counted once the last one was.
	waitFor(t, func() bool {
		stats := r.Stats()
		return stats.Dropped[DropRate]+stats.Slipped+stats.Answers[Answered{"udp", "A", "NOERROR"}] == asked+honest
	})
	stats := r.Stats()
	if answers := stats.Answers[Answered{"udp", "A", "NOERROR"}] - honest; answers < allowed || answers > 2*allowed {
		t.Errorf("the flood got %d answers, want about %d", answers, allowed)
	}
	if stats.Slipped < asked/4 || stats.Dropped[DropRate] < asked/4 {
		t.Errorf("%d slipped and %d were dropped, want about half of %d each", stats.Slipped, stats.Dropped[DropRate], asked)
	}
	if got := r.logged.lines(); got != 1 {
		t.Errorf("%d lines were logged, want 1", got)
	}
	const read = 50 // as many fit into the buffer of a socket
	slips := 0
	for range read {
		answered, err := flood.receive()
		reply := new(dns.Msg)
		if err != nil || reply.Unpack(answered) != nil {
			t.Fatal("an answer cannot be read")
		}
		if len(reply.Answer) == 0 {
			slips++
			if !reply.Truncated || len(answered) > len(message) || [6]byte(answered[6:]) != [6]byte{} {
				t.Errorf("%d bytes came back for %d: %v", len(answered), len(message), reply.MsgHdr)
			}
		}
	}
	if slips < read-2*allowed {
		t.Errorf("of %d answers %d are empty", read, slips)
	}
	if reply := r.tcp(t, "127.0.0.2").ask(message); len(reply.Answer) != 60 {
		t.Errorf("over TCP the source gets %d records", len(reply.Answer))
	}
}

// waitFor waits until something is so, without sleeping: it asks again at once.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal("it never came to be")
		case <-ticker.C:
		}
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l := newLimiter(10, 3)
	source, second := netip.MustParseAddr("10.0.0.1"), int64(time.Second)
	count := func(source netip.Addr, now int64) int {
		got := 0
		for l.allow(source, now) {
			got++
		}
		return got
	}
	got := []int{count(source, 0), count(source, 0), count(source, second/10), count(source, second), count(source, 100*second)}
	if diff := cmp.Diff([]int{3, 0, 1, 3, 3}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	others := 0
	for i := range 100 {
		others += count(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 100*second)
	}
	if others < 290 {
		t.Errorf("100 other sources got %d answers, want 300 or a few less", others)
	}
}

// TestAFaultCostsOneAnswer breaks the zone, which no input can.
func TestAFaultCostsOneAnswer(t *testing.T) {
	t.Parallel()
	zone := Make(nil, newMesh().source(), nil)
	zone.spaces["broken"] = nil
	zone.spaces["shop"].entries["broken"] = &entry{root: &node{srv: &services{ends: []uint32{9}, targets: []*node{nil}}}}
	r := start(t, zone, nil)
	for _, to := range []*client{r.udp(t, "127.0.0.1"), r.tcp(t, "127.0.0.1")} {
		to.send(packed(t, question("broken.shop.svc.clusterset.local.", dns.TypeSRV)))
	}
	waitFor(t, func() bool { return r.Stats().Dropped[DropBug] == 2 })
	if reply := r.udp(t, "127.0.0.1").ask(packed(t, question(web, dns.TypeA))); len(reply.Answer) != 1 {
		t.Errorf("afterwards: %v", reply)
	}
	if got := r.logged.lines(); got != 1 {
		t.Errorf("%d lines were logged, want 1", got)
	}
}

// TestServeEnds with open connections, and frees its address.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	r := start(t, Make(nil, newMesh().source(), nil), func(o *Options) { o.Limits.Idle = 100 * patience })
	to := r.tcp(t, "127.0.0.1")
	to.ask(packed(t, question(web, dns.TypeA)))
	r.stop()
	if _, err := to.receive(); err == nil {
		t.Error("a connection is left over")
	}
	if open := r.Stats().Connections; open != 0 {
		t.Errorf("%d connections are counted after the end", open)
	}
}

func TestListenFails(t *testing.T) {
	t.Parallel()
	taken := listen(t)
	defer taken.Close()
	if again, err := Listen(t.Context(), taken.Address()); err == nil {
		again.Close()
		t.Error("one address was opened twice")
	}
	if _, err := Listen(t.Context(), "127.0.0.1:none"); err == nil {
		t.Error("an address that is none was opened")
	}
	server, sockets := New(Options{}), listen(t)
	_ = sockets.udp[0].Close()
	if err := server.Serve(t.Context(), sockets); !errors.Is(err, net.ErrClosed) {
		t.Errorf("with a socket that is closed serving ends with %v", err)
	}
}

// TestAnsweringAllocatesNothing holds for what comes in by UDP.
func TestAnsweringAllocatesNothing(t *testing.T) {
	source := netip.MustParseAddr("10.0.0.1")
	exempt := []netip.Prefix{netip.PrefixFrom(source, 32)}
	r := New(Options{Exempt: func() []netip.Prefix { return exempt }, Limits: Limits{Rate: 1}})
	r.Set(many(60))
	room, q := make([]byte, 0, mostDatagram), &query{}
	for _, one := range slices.Concat(seeds(t), [][]byte{packed(t, question("none.shop.svc.clusterset.local.", dns.TypeA))}) {
		if got := testing.AllocsPerRun(100, func() {
			out, result := r.answer(room, one, q, false)
			if r.admits(source) && len(out) > 0 {
				r.counts.answered(false, q, result, out)
			}
		}); got != 0 {
			t.Errorf("%q costs %v allocations", one, got)
		}
	}
}
