package discovery

import (
	"context"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/eastwest-mesh/eastwest/discovery/merge"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// State is what the agent knows at one moment; it is immutable.
type State struct {
	View *model.View
	// Complete is true once every member has been listed: what is not in the view
	// then does not exist, and is not merely unknown.
	Complete bool
	// Problems are what could not be translated.
	Problems []translate.Problem
}

// loop is the middle of the data path: one goroutine takes what the members
// offer, merges, translates and publishes. What comes while it works is taken with
// the next turn; no timer stands in front of endpoints.
type loop struct {
	own model.MemberName
	// identity is that of the gateways of the own member.
	identity string
	inbox    *watch.Inbox
	ports    portSource
	// roots are those of the mesh, PEM; renewed gets a value when they are others.
	roots     func() []byte
	renewed   chan struct{}
	publisher *publish.Publisher
	log       *slog.Logger
	// deadline is when the first view is made though members are missing.
	deadline time.Duration
	// expected says which members there are, and false before that is known.
	expected func() ([]model.MemberName, bool)
	// members wakes the loop when expected has changed.
	members <-chan struct{}

	translation translation
	shards      map[model.MemberName]*model.Shard
	changed     map[model.ServiceKey]struct{}
	view        *model.View
	late        bool

	current atomic.Pointer[State]
	// admitted are the secrets that say who may enter.
	admitted atomic.Pointer[[]*tlsv3.Secret]
	readers  []chan struct{}
}

// portSource says which port of the gateway leads to which port of a service.
type portSource interface {
	// Ports is false before they are known.
	Ports() (map[translate.PortKey]uint16, bool)
	// Changed gets a value when they are others.
	Changed() <-chan struct{}
}

// subscribe returns a channel that gets a value when there is a new state. It
// must be called before run.
func (l *loop) subscribe() <-chan struct{} {
	wake := make(chan struct{}, 1)
	l.readers = append(l.readers, wake)
	return wake
}

// State is what the agent knows now; nil before its first view.
func (l *loop) State() *State { return l.current.Load() }

func (l *loop) run(ctx context.Context) error {
	l.shards, l.changed = map[model.MemberName]*model.Shard{}, map[model.ServiceKey]struct{}{}
	deadline := time.NewTimer(l.deadline)
	defer deadline.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.inbox.Wake():
		case <-l.ports.Changed():
		case <-l.members:
		case <-l.renewed:
		case <-deadline.C:
			l.late = true
		}
		l.turn()
	}
}

// turn takes all that came in, and publishes what differs.
func (l *loop) turn() {
	for name, update := range l.inbox.Take() {
		if update.Left {
			delete(l.shards, name)
		}
		if update.Shard != nil {
			l.shards[name] = update.Shard
		}
		maps.Copy(l.changed, update.Changed)
	}
	complete := l.complete()
	ports, known := l.ports.Ports()
	if !known || l.view == nil && !complete && !l.late {
		return
	}
	changed := l.changed
	l.changed = map[model.ServiceKey]struct{}{}
	keys := make([]model.ServiceKey, 0, len(changed))
	for key := range changed {
		keys = append(keys, key)
	}
	l.view = merge.Merge(l.view, merge.Input{Shards: l.shards}, keys)
	l.publish(l.translation.update(inputs{view: l.view, ports: ports, roots: l.roots()}, changed))
	l.announce(&State{View: l.view, Complete: complete, Problems: l.translation.problems()})
}

// complete reports whether every member that is expected has been listed.
func (l *loop) complete() bool {
	names, known := l.expected()
	if !known {
		return false
	}
	for _, name := range append(names, l.own) {
		if shard := l.shards[name]; shard == nil || shard.Member.State == model.Joining {
			return false
		}
	}
	return true
}

// publish sends endpoints ahead of everything else.
func (l *loop) publish(change change) {
	if l.publisher == nil {
		return
	}
	if len(change.endpoints) > 0 {
		if _, err := l.publisher.PublishEndpoints(l.own, change.endpoints); err != nil {
			l.log.Error("publish endpoints", "error", err)
		}
	}
	if !change.whole {
		return
	}
	// Whom a listener admits goes ahead of the listener.
	l.admitted.Store(&l.translation.shared.Secrets)
	if _, err := l.publisher.Renewed(l.identity); err != nil {
		l.log.Error("publish who may enter", "error", err)
	}
	if _, err := l.publisher.Publish(l.own, l.translation.set()); err != nil {
		l.log.Error("publish", "error", err)
	}
}

func (l *loop) announce(state *State) {
	l.current.Store(state)
	for _, wake := range l.readers {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}
