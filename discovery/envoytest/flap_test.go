//go:build envoy

package envoytest

import (
	"os"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// flapping adds and removes an endpoint of a service ten times a second until it is
// stopped; it ends with the endpoint there, and says how often it changed.
func (p *pair) flapping(t *testing.T, name string, flapper *pod, meanwhile func()) (flaps int) {
	t.Helper()
	for left := flapsFor(); left > 0; left -= interval {
		backends := map[model.MemberName][]string{c1: {p.local.address}, c2: nil}
		if flaps%2 == 0 {
			backends[c1] = append(backends[c1], flapper.address)
		}
		flaps++
		p.export(name, database, backends)
		p.agents[c1].show(p.view(), p.listeners)
		meanwhile()
		pause(interval)
	}
	p.export(name, database, map[model.MemberName][]string{c1: {flapper.address}, c2: nil})
	p.agents[c1].show(p.view(), p.listeners)
	return flaps + 1
}

const interval = 100 * time.Millisecond

// pause is the rhythm of a load, and waits for nothing.
func pause(d time.Duration) { <-time.After(d) }

// flapsFor is a minute, as the table has it, where there is time for that.
func flapsFor() time.Duration {
	if os.Getenv(faults) == "all" {
		return time.Minute
	}
	return 3 * time.Second
}

// TestFlaps is F43: the answers to a gateway are bounded by those that it acknowledges,
// another service does not notice, and in the end the last state counts.
func TestFlaps(t *testing.T) {
	t.Parallel()
	p := newPair(t, database)
	flapper := p.pod(c1)
	at := p.egress(c1, p.export("flaps", database, map[model.MemberName][]string{c1: {p.local.address}, c2: nil}))
	p.publish()
	reach(t, at, p.local)
	calm := probe(t, p.connect)
	await(t, "all is quiet", patience, p.agents[c1].settled)
	before := p.agents[c1].stats()
	most := 0
	flaps := p.flapping(t, "flaps", flapper, func() { most = max(most, p.agents[c1].stats().Unacked) })
	await(t, "the last state", 20*time.Second, func() error { return missing(shares(5, func() (string, error) { return greet(at) }), flapper) })
	await(t, "the gateway has all there is", 20*time.Second, p.agents[c1].settled)
	only(t, probe(t, func() (string, error) { return greet(at) }), flapper, patience)
	sent := p.agents[c1].stats()
	t.Logf("figure: %d flaps, %d answers, at most %d under way", flaps, sent.Responses-before.Responses, most)
	if got := sent.Responses - before.Responses; got > flaps || got == 0 || most > 1 {
		t.Errorf("%d answers for %d flaps, %d at a time", got, flaps, most)
	}
	if got := sent.Nacks - before.Nacks; got > 0 {
		t.Errorf("%d were refused", got)
	}
	if counts, failed := calm.stop(); len(failed) > 0 || counts[p.local.address] == 0 || counts[p.remote.address] == 0 {
		t.Errorf("another service: %v, %d failed: %v", counts, len(failed), calm.lastError())
	}
}

// TestFlapsWhileTheAgentIsKilled is a neighbour of F43 with two faults at once.
func TestFlapsWhileTheAgentIsKilled(t *testing.T) {
	t.Parallel()
	p := newPair(t, database)
	flapper := p.pod(c1)
	at := p.egress(c1, p.export("flaps", database, map[model.MemberName][]string{c1: {p.local.address}, c2: nil}))
	p.publish()
	reach(t, at, p.local)
	calm := probe(t, p.connect)
	step := 0
	p.flapping(t, "flaps", flapper, func() {
		switch step++; step {
		case 10:
			p.agents[c1].kill()
		case 20:
			p.agents[c1].start()
		}
	})
	await(t, "the gateway is back and has all there is", 20*time.Second, p.agents[c1].settled)
	only(t, probe(t, func() (string, error) { return greet(at) }), flapper, 20*time.Second)
	if counts, failed := calm.stop(); len(failed) > 0 {
		t.Errorf("another service: %v, %d failed: %v", counts, len(failed), calm.lastError())
	}
}
