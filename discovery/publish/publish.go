// Package publish owns the last step of the data path: it serves the resources
// that were made for a member's gateways to those gateways, as delta xDS over
// mutual TLS, and each identity's secrets to that identity alone. It knows who
// subscribes to which name and what each stream has, and nothing of where
// resources come from: views, members and Kubernetes stay on the other side.
//
// Under go-control-plane's delta server there is one watcher per stream, of ours.
// Its own caches hash, clone or marshal per stream what is the same for all; here
// a resource is encoded once, a change touches the subscribers of its name only,
// and a stream with an answer under way collects what comes into its next one.
package publish

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// Options are what a Publisher needs from others.
type Options struct {
	// TLS is how the server proves itself and whom it believes.
	TLS TLS
	// Member says which member's gateways an identity belongs to; it is false
	// for identities that are not served here.
	Member func(identity string) (model.MemberName, bool)
	// Secrets is where credentials come from.
	Secrets Secrets
	// Limits bound what clients may use; zero values are defaults.
	Limits Limits
	// Log takes what a person would note; nothing is logged without.
	Log *slog.Logger
}

// Publisher holds what is served and to whom. It is safe for concurrent use.
type Publisher struct {
	options Options
	gate    *gate

	// publishing puts publications one after the other, so that what is compared
	// and encoded outside of mu is still the latest when it is taken over. It
	// guards the latest resources of all scopes and comes before mu.
	publishing sync.Mutex

	// mu guards everything below, the scopes' tables and all subscriptions.
	// Nothing that can block is done under it.
	mu         sync.Mutex
	members    map[model.MemberName]*scope
	identities map[string]*scope
	sessions   map[*session]struct{}
	streams    map[string]int
	touched    []*session
	stats      Stats
	// unacked counts the answers under way; settled, where it is not nil, is
	// closed when they are none.
	unacked int
	settled chan struct{}
	scratch scratch
}

// New returns a Publisher that has nothing to serve yet.
func New(options Options) *Publisher {
	options.Limits = options.Limits.withDefaults()
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return &Publisher{
		options: options, gate: newGate(options.Limits),
		members: map[model.MemberName]*scope{}, identities: map[string]*scope{},
		sessions: map[*session]struct{}{}, streams: map[string]int{},
		stats: Stats{Rejected: map[string]int{}},
	}
}

// Publish makes set the whole configuration of a member's gateways. It returns
// how many answers went on their way; streams that have one under way already get
// the change with their next. Nothing is sent where nothing differs. Messages that
// were given must not be changed afterwards: one that comes again is taken to be
// unchanged. A set that contradicts itself is an error and changes nothing.
//
// Before the first Publish the gateways of a member get no answer at all: they
// keep what they have, instead of being told that it is gone.
func (p *Publisher) Publish(member model.MemberName, set Set) (pushed int, err error) {
	return p.publish(member, set, whole)
}

// PublishEarly is Publish before it is known what there is: set is for gateways that
// have nothing yet, and better off with a part. Those that come back with something from
// before get no answer until Publish.
func (p *Publisher) PublishEarly(member model.MemberName, set Set) (pushed int, err error) {
	return p.publish(member, set, early)
}

func (p *Publisher) publish(member model.MemberName, set Set, extent extent) (pushed int, err error) {
	if err := set.check(); err != nil {
		return 0, fmt.Errorf("publish to gateways of %s: %w", member, err)
	}
	p.publishing.Lock()
	defer p.publishing.Unlock()
	at := p.memberScope(member)
	next, err := set.encode(at.latest)
	if err != nil {
		return 0, fmt.Errorf("publish to gateways of %s: %w", member, err)
	}
	var change changes
	for _, kind := range setKinds {
		change.replace(kind, at.latest[kind], next[kind])
		at.latest[kind] = next[kind]
	}
	return p.apply(at, change, extent), nil
}

// PublishEndpoints replaces the endpoints of single names and leaves all other
// resources alone. A name may come before the cluster that asks for it.
func (p *Publisher) PublishEndpoints(member model.MemberName, endpoints []*eds.Assignment) (pushed int, err error) {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	at := p.memberScope(member)
	next := contents{}
	if err := takeEndpoints(next, endpoints, at.latest[endpointKind]); err != nil {
		return 0, fmt.Errorf("publish endpoints to gateways of %s: %w", member, err)
	}
	var change changes
	change.upsert(endpointKind, at.latest[endpointKind], next)
	for name, one := range next {
		at.latest[endpointKind][name] = one
	}
	return p.apply(at, change, nothing), nil
}

// apply takes changes over and sends what can be sent.
func (p *Publisher) apply(at *scope, change changes, extent extent) (pushed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range change {
		p.touchAllLocked(at.tables[one.kind].setLocked(one.name, one.resource), one.name)
	}
	if extent > at.published {
		at.published = extent
		for s := range p.sessions {
			p.touchLocked(s)
		}
	}
	for _, s := range p.touched {
		s.touched = false
		pushed += s.flushLocked()
	}
	p.touched = p.touched[:0]
	return pushed
}

// touchAllLocked marks a name for those who want it.
func (p *Publisher) touchAllLocked(subscribers func(func(*subscription) bool), name string) {
	for u := range subscribers {
		u.dirty[name] = struct{}{}
		p.touchLocked(u.session)
	}
}

// touchLocked notes a session to be flushed, once.
func (p *Publisher) touchLocked(s *session) {
	if !s.touched {
		s.touched = true
		p.touched = append(p.touched, s)
	}
}

func (p *Publisher) memberScope(member model.MemberName) *scope {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.memberScopeLocked(member)
}

func (p *Publisher) memberScopeLocked(member model.MemberName) *scope {
	at := p.members[member]
	if at == nil {
		at = newScope(setKinds[:]...)
		p.members[member] = at
	}
	return at
}

func (p *Publisher) identityScopeLocked(identity string) *scope {
	at := p.identities[identity]
	if at == nil {
		at = newScope(secretKind)
		p.identities[identity] = at
	}
	return at
}
