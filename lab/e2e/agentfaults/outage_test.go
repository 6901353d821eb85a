//go:build e2e

package agentfaults

import (
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
)

// TestF03 loses all packets on the way to a member's API. The row's 15 minutes are
// the setting staleAfter, here 10 s.
func TestF03(t *testing.T) {
	slow(t)
	namespace := shop(t, 20, peer, own)
	proxy, config := faultproxy.New(t, peer.Config())
	a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, settings: "staleAfter: 10s\n"})
	g, link := a.connect(t, nil), gatewayOf(t, "c2")
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	g.mark(namespace, "c2")

	// Its neighbour: the gateway goes while the API answers. That demotes nobody.
	link.close()
	awaitShown(t, "c2", "ready", "Partitioned")
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	link.open(t)
	awaitShown(t, "c2", "ready", "watched")

	heal := firewall(t, "tcp dport "+port(proxy.Address())+" drop")
	a.awaitState(t, "c2", "degraded")
	a.awaitState(t, "c2", "stale")
	awaitShown(t, "c2", "stale", "still in use")
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	link.close()
	g.awaitShare(t, namespace, "c2", share{weight: 20, priority: 1})
	awaitShown(t, "c2", "stale", "used only where nobody else")
	link.open(t)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	heal()
	t.Logf("ready %s after the way was open", a.awaitState(t, "c2", "ready").Round(time.Millisecond))
	g.wantLeast(t, 20)
}

// window is how long attempts are counted.
const window = 20 * time.Second

// TestF05 resets every new connection to a member: it is asked again and again, with
// pauses that grow to a bound.
func TestF05(t *testing.T) {
	slow(t)
	namespace := shop(t, 20, peer)
	proxy, config := faultproxy.New(t, peer.Config())
	home, throughHome := faultproxy.New(t, own.Config())
	a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, own: throughHome})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	since := g.mark(namespace, "c2")
	proxy.ResetNew(true)
	proxy.Reset()
	a.awaitFault(t, "c2", "degraded", "Unreachable", "connection reset")
	attempts, used := proxy.Accepted(), a.cpu(t)
	a.pass(t, window)
	attempts, used = proxy.Accepted()-attempts, a.cpu(t)-used
	t.Logf("%d attempts in %s, %.2f %% of a core", attempts, window, 100*used.Seconds()/window.Seconds())
	// Pauses are random up to 5 s: 8 attempts on average. More than one at a time, or
	// pauses that do not grow, would be more than twice as many.
	if attempts == 0 || attempts > 16 {
		t.Errorf("%d attempts in %s", attempts, window)
	}

	// Its neighbour: the own cluster's API does the same at the same time.
	home.ResetNew(true)
	home.Reset()
	a.awaitState(t, "c1", "degraded")
	g.wantToldNothing(t, since)
	proxy.ResetNew(false)
	a.awaitState(t, "c2", "ready")
	home.ResetNew(false)
	a.awaitState(t, "c1", "ready")
	awaitShown(t, "c2", "ready", "watched")
	g.wantToldNothing(t, since)
}

// TestF06 has all bytes of one member come half a second later.
func TestF06(t *testing.T) {
	namespace := shop(t, 20, peer, own)
	const late = 500 * time.Millisecond
	for name, harm := range map[string]func(*faultproxy.Proxy){
		"half a second late": func(*faultproxy.Proxy) {},
		// Its neighbour: two faults at once.
		"and slow as well": func(p *faultproxy.Proxy) { p.Rate(50_000) },
	} {
		t.Run(name, func(t *testing.T) {
			proxy, config := faultproxy.New(t, peer.Config())
			proxy.Delay(late)
			harm(proxy)
			a := start(t, options{namespace: namespace, members: []member{{"c2", config}}})
			g := a.connect(t, nil)
			g.awaitShare(t, namespace, "c2", share{weight: 20})
			peer.endpoints(t, namespace, "cart", 21)
			began := time.Now()
			own.endpoints(t, namespace, "cart", 22)
			g.awaitShare(t, namespace, "c1", share{weight: 22})
			here := time.Since(began)
			g.awaitShare(t, namespace, "c2", share{weight: 21})
			there := time.Since(began)
			t.Logf("a change here arrived after %s, one there after %s", here.Round(time.Millisecond), there.Round(time.Millisecond))
			if there < late {
				t.Errorf("a change there took %s: nothing was late", there)
			}
			if s := a.now(t, "c2"); s.State != "ready" {
				t.Errorf("got %+v", s)
			}
			peer.endpoints(t, namespace, "cart", 20)
			own.endpoints(t, namespace, "cart", 20)
		})
	}
}

// TestF07 loses packets at random. Each change is one of another slice, so that none
// that was lost is made good by a later one.
func TestF07(t *testing.T) {
	slow(t)
	const slices = 60
	namespace := shop(t, 1, peer)
	for round, percent := range []int{10, 30} {
		t.Run(fmt.Sprintf("%d percent", percent), func(t *testing.T) {
			proxy, config := faultproxy.New(t, peer.Config())
			heal := firewall(t, fmt.Sprintf("tcp dport %[1]s numgen random mod 100 < %[2]d drop; tcp sport %[1]s numgen random mod 100 < %[2]d drop",
				port(proxy.Address()), percent))
			a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, settings: "syncDeadline: 60s\n"})
			g, want := a.connect(t, nil), 0
			a.awaitState(t, "c2", "ready")
			for i := range slices {
				count := 1 + i%3 + 2*round // more each round, so that no sum comes twice
				peer.slice(t, namespace, "cart", i, count)
				want += count
				if i == slices/2 { // its neighbour: the connection breaks meanwhile
					proxy.Reset()
				}
			}
			took := g.awaitShare(t, namespace, "c2", share{weight: want})
			t.Logf("told all of it %s after the last change", took.Round(time.Millisecond))
			since := g.mark(namespace, "c2")
			heal()
			a.awaitState(t, "c2", "ready")
			g.wantToldNothing(t, since)
			if s := a.now(t, "c2"); s.Endpoints != want {
				t.Errorf("got %+v, want %d endpoints", s, want)
			}
		})
	}
}
