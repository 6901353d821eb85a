//go:build envoy

package envoytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	links "github.com/eastwest-mesh/eastwest/discovery/probe"
	"github.com/eastwest-mesh/eastwest/discovery/status"
)

// ways between the gateways of a pair, as rules of a firewall: what is said to the
// inbound port of a member's gateway, and what that answers.
func (p *pair) to(member model.MemberName) string {
	return fmt.Sprintf("ip daddr %s tcp dport 15443", p.members[member].Gateways[0].Host)
}

func (p *pair) answers(of model.MemberName) string {
	return fmt.Sprintf("ip saddr %s tcp sport 15443", p.members[of].Gateways[0].Host)
}

// watched is how the agent of a member shows another one whose API answers.
func (p *pair) watched(t *testing.T, from, to model.MemberName) func() string {
	t.Helper()
	own := p.root.Leaf(t, gatewayID(from)).TLS()
	prober := links.New(links.Options{
		Targets: func() []links.Target {
			return []links.Target{{Member: to, Addresses: p.members[to].Gateways, Identity: gatewayID(to)}}
		},
		Certificate: func() (*tls.Certificate, error) { return own, nil },
		Roots:       func() *x509.CertPool { return p.root.Pool() }, Interval: 100 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = prober.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return func() string {
		member := status.Member{Name: to, Watched: true, State: model.Ready, Network: string(to)}
		if got, known := prober.Result(to); known {
			member.Link = &status.Link{OK: got.OK, Hop: string(got.Hop), Message: got.Message, RTT: got.RTT}
		}
		return status.Wanted(member, nil, time.Now()).Status.Description
	}
}

func shows(text func() string, begins string) func() error {
	return func() error {
		if got := text(); !strings.HasPrefix(got, begins) {
			return fmt.Errorf("it says %q, want %s", got, begins)
		}
		return nil
	}
}

// TestPartition is F41 and F42: clusters that do not reach each other though agents see
// both. Envoy's own checks decide; what is local goes on; nobody is told anything, and
// only the side that fails says so. The last two are their neighbours: answers are lost
// instead of questions, and the local pod is dead, too.
func TestPartition(t *testing.T) {
	if !inNetns(t) {
		return
	}
	p, wall := newPair(t, database), newFirewall(t)
	fromC1, fromC2 := probe(t, p.connect), probe(t, func() (string, error) { return greet(p.egress(c2, p.port)) })
	both := func() error {
		if err := missing(shares(20, p.connect), p.local, p.remote); err != nil {
			return err
		}
		return missing(shares(20, func() (string, error) { return greet(p.egress(c2, p.port)) }), p.local, p.remote)
	}
	c1Says, c2Says := p.watched(t, c1, c2), p.watched(t, c2, c1)
	for _, tc := range []struct {
		name  string
		rules []string
		// fails and whole are what c1 and c2 say of each other.
		c1Fails, c2Fails bool
	}{
		{"F41 both ways", []string{p.to(c1), p.to(c2)}, true, true},
		{"F42 what c1 says is lost", []string{p.to(c2)}, true, false},
		{"what c2 answers is lost", []string{p.answers(c2)}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			await(t, "both members serve both", 30*time.Second, both)
			await(t, "c1 reaches c2", 20*time.Second, shows(c1Says, "watched"))
			await(t, "c2 reaches c1", 20*time.Second, shows(c2Says, "watched"))
			told := [2]int{p.agents[c1].stats().Responses, p.agents[c2].stats().Responses}
			for _, rule := range tc.rules {
				wall.drop(rule)
			}
			cut := time.Now()
			only(t, fromC1, p.local, time.Minute)
			t.Logf("figure: all of c1 goes to its own pod after %v", time.Since(cut).Round(100*time.Millisecond))
			await(t, "c1 says that c2 is cut off", 30*time.Second, shows(c1Says, "Partitioned"))
			if tc.c2Fails {
				only(t, fromC2, p.remote, time.Minute)
				await(t, "c2 says that c1 is cut off", 30*time.Second, shows(c2Says, "Partitioned"))
			} else {
				if err := shows(c2Says, "watched")(); err != nil {
					t.Errorf("the side that is whole: %v", err)
				}
				if err := missing(shares(20, func() (string, error) { return greet(p.egress(c2, p.port)) }), p.local, p.remote); err != nil {
					t.Errorf("the side that is whole: %v", err)
				}
			}
			wall.heal()
			await(t, "both members serve both again", time.Minute, both)
			await(t, "c1 reaches c2 again", 30*time.Second, shows(c1Says, "watched"))
			if now := [2]int{p.agents[c1].stats().Responses, p.agents[c2].stats().Responses}; now != told {
				t.Errorf("the agents sent %v answers, and %v before: the gateways see for themselves", now, told)
			}
		})
	}
	t.Run("the local pod is dead, too", func(t *testing.T) {
		wall.drop(p.to(c2))
		only(t, fromC1, p.local, time.Minute)
		p.local.stop()
		await(t, "nothing serves, and callers are told", time.Minute, func() error {
			if told, err := p.connect(); err == nil {
				return fmt.Errorf("%s answers", told)
			}
			return nil
		})
		wall.heal()
		await(t, "the remote pod serves", time.Minute, func() error {
			return missing(shares(5, p.connect), p.remote)
		})
	})
}
