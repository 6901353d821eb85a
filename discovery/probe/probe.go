// Package probe owns whether the gateways of other members answer: it connects to
// each as the own member's gateways do, and asks it, or the Responder behind it, for
// nothing but an answer. What it finds is seen within seconds, whether there is
// traffic or not.
//
// It must not know what members offer, what kind of mesh they are in, nor who reads
// what it finds.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Hop is a part of the way to a gateway.
type Hop string

// The hops, in the order in which they are passed.
const (
	// HopAddress: there is an address to dial.
	HopAddress Hop = "address"
	// HopTCP: something accepts at the address.
	HopTCP Hop = "tcp"
	// HopTLS: it speaks TLS, under the server name that is asked for.
	HopTLS Hop = "tls"
	// HopCertificate: whoever answers proves to be the member's.
	HopCertificate Hop = "certificate"
	// HopAdmission: it lets us in.
	HopAdmission Hop = "admission"
	// HopAnswer: the member itself answers, behind its gateway.
	HopAnswer Hop = "answer"
)

// Target is a member on another network.
type Target struct {
	Member model.MemberName
	// Addresses are those of its gateways, one of which must answer.
	Addresses []model.HostPort
	// Identity that must be proved: of its gateways, or of its Responder.
	Identity string
	// Way is how it is asked; nil asks its gateways themselves.
	Way *Way
	// Short says why no more than TCP is tried; empty: the whole way is.
	Short string
	// Excuse is asked where the gateway accepts and nothing answers behind it. It says
	// why that is no fault of the way; nil, or empty: it is one.
	Excuse func(ctx context.Context) string
}

func (t *Target) way() Way {
	if t.Way == nil {
		return gatewayWay
	}
	return *t.Way
}

// Result is what was found out about a member.
type Result struct {
	OK bool
	// Hop is the first broken one, and Message why; of a way that is not broken, the
	// last one that was proved, and why no more was tried.
	Hop     Hop
	Message string
	// RTT is how long a question and its answer took on a connection that stood
	// already: no handshake is in it. Zero where nothing was answered.
	RTT time.Duration
	// Since is when it became OK, or ceased to be.
	Since time.Time
}

// Options say who is probed and how.
type Options struct {
	// Targets are those of now.
	Targets func() []Target
	// Certificate is the own one, of an identity that is let in, and Roots what the
	// others' must lead to. Where there is none at the moment, no more than TCP is
	// tried.
	Certificate func() (*tls.Certificate, error)
	Roots       func() *x509.CertPool
	// Interval between probes of a member; 2 s by default.
	Interval time.Duration
}

const (
	defaultInterval = 2 * time.Second
	// limit bounds one probe.
	limit = 2 * time.Second
	// failures in a row are needed to believe that a gateway is gone.
	failures = 2
)

// Prober probes. It is safe for concurrent use.
type Prober struct {
	options Options
	// Changed gets a value when a member's result is another one.
	changed chan struct{}

	// mu guards what is below.
	mu      sync.Mutex
	results map[model.MemberName]Result
	failed  map[model.MemberName]int
	// counts are all failures since the start, by their hop.
	counts map[model.MemberName]map[Hop]int
}

// New returns a Prober that has found out nothing yet.
func New(options Options) *Prober {
	if options.Interval == 0 {
		options.Interval = defaultInterval
	}
	return &Prober{
		options: options, changed: make(chan struct{}, 1),
		results: map[model.MemberName]Result{}, failed: map[model.MemberName]int{}, counts: map[model.MemberName]map[Hop]int{},
	}
}

// Changed gets a value when a member became reachable or ceased to be.
func (p *Prober) Changed() <-chan struct{} { return p.changed }

// Result is what is known of a member; false where nothing is yet.
func (p *Prober) Result(member model.MemberName) (Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	result, known := p.results[member]
	return result, known
}

// Failures are how many probes of a member failed at which hop, since the start.
func (p *Prober) Failures(member model.MemberName) map[Hop]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts[member])
}

// Run probes until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	ticker := time.NewTicker(p.options.Interval)
	defer ticker.Stop()
	for {
		p.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// round probes all members at once.
func (p *Prober) round(ctx context.Context) {
	targets := p.options.Targets()
	p.forget(targets)
	var group sync.WaitGroup
	for _, target := range targets {
		group.Go(func() {
			result := p.probe(ctx, target)
			if ctx.Err() == nil {
				p.note(target.Member, result)
			}
		})
	}
	group.Wait()
}

// forget drops what is known of members that are no targets any more.
func (p *Prober) forget(targets []Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gone := func(name model.MemberName) bool {
		return !slices.ContainsFunc(targets, func(t Target) bool { return t.Member == name })
	}
	maps.DeleteFunc(p.results, func(name model.MemberName, _ Result) bool { return gone(name) })
	maps.DeleteFunc(p.failed, func(name model.MemberName, _ int) bool { return gone(name) })
	maps.DeleteFunc(p.counts, func(name model.MemberName, _ map[Hop]int) bool { return gone(name) })
}

// note keeps a result. One failure is none: a packet may be lost.
func (p *Prober) note(member model.MemberName, now Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, known := p.results[member]
	if !now.OK {
		if p.counts[member] == nil {
			p.counts[member] = map[Hop]int{}
		}
		p.counts[member][now.Hop]++
	}
	if now.OK {
		p.failed[member] = 0
	} else if p.failed[member]++; p.failed[member] < failures && before.OK {
		return
	}
	now.Since = time.Now()
	if known && before.OK == now.OK && before.Hop == now.Hop {
		now.Since = before.Since
	}
	p.results[member] = now
	if known && before.OK == now.OK && before.Hop == now.Hop {
		return
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
}
