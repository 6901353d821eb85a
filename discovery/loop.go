package discovery

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/eastwest-mesh/eastwest/discovery/merge"
	"github.com/eastwest-mesh/eastwest/discovery/metrics"
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
	// Blind is true while there are members of which nothing is known, not even from
	// before: whoever wrote what is there may have known more.
	Blind bool
	// Problems are what could not be translated, names without an address among it.
	Problems []translate.Problem
	// Shards are those of all members that are known, which may be from before the
	// agent was started; nil as long as it is not known which members there are.
	Shards map[model.MemberName]*model.Shard
	// Unsettled are names of which it is not decided yet whose values hold.
	Unsettled map[model.ServiceKey]time.Time
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
	// remembers is true for members of which all that is known is from before the
	// agent was started.
	remembers func(model.MemberName) bool
	// took is told how long a stage took.
	took func(stage string, took time.Duration)
	// members wakes the loop when expected has changed.
	members <-chan struct{}
	// book and links are what the agent finds out about gateways by itself.
	book  addressBook
	links prober

	precedence  precedence
	quotas      merge.Quotas
	translation translation
	shards      map[model.MemberName]*model.Shard
	changed     map[model.ServiceKey]struct{}
	// ready are members that were, since they joined or the agent was started.
	ready map[model.MemberName]bool
	view  *model.View
	// merged are the shards that view was made from, but for those of members that may
	// not be served, which are looked at anew each time.
	merged map[model.MemberName]*model.Shard
	late   bool
	// refinement is that of the last turn.
	refinement *refinement

	current atomic.Pointer[State]
	// begun is true once gateways are told of something.
	begun atomic.Bool
	// admitted are the secrets that say who may enter.
	admitted atomic.Pointer[[]*tlsv3.Secret]
	readers  []chan struct{}
}

// portSource says which port of the gateway leads to which port of a service.
type portSource interface {
	// Ports is false before they are known.
	Ports() (map[model.PortKey]uint16, bool)
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
	l.shards, l.changed, l.ready = map[model.MemberName]*model.Shard{}, map[model.ServiceKey]struct{}{}, map[model.MemberName]bool{}
	deadline := time.NewTimer(l.deadline)
	defer deadline.Stop()
	var parting, settled, hushed <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.inbox.Wake():
		case <-l.ports.Changed():
		case <-l.members:
		case <-l.book.Changed():
		case <-l.links.Changed():
		case <-l.renewed:
		case <-parting:
		case <-settled:
		case <-deadline.C:
			l.late = true
		case <-hushed:
			hushed = nil
			l.early()
			continue
		}
		l.turn()
		if hushed = nil; l.view == nil {
			hushed = time.After(hush)
		}
		parting, settled = l.translation.nextParting(time.Now()), nil
		if at, some := l.precedence.nextSettling(); some {
			settled = time.After(time.Until(at))
		}
	}
}

// turn takes all that came in, and publishes what differs.
func (l *loop) turn() {
	for name, update := range l.inbox.Take() {
		if update.Left {
			l.departed(l.shards[name])
			delete(l.shards, name)
			delete(l.ready, name)
		}
		if update.Shard != nil {
			l.shards[name] = update.Shard
			l.ready[name] = l.ready[name] || update.Shard.Member.State == model.Ready
		}
		maps.Copy(l.changed, update.Changed)
	}
	expected, read := l.expected()
	complete := read && l.every(expected, l.listed)
	refined := l.refine()
	ports, known := l.ports.Ports()
	if !known || l.view == nil && !l.late && !(read && refined.answered && l.every(expected, l.tried)) {
		return
	}
	changed := l.changed
	l.changed = map[model.ServiceKey]struct{}{}
	l.build(refined.shards, changed, ports)
	state := &State{
		View: l.view, Complete: complete, Blind: !read || !l.every(expected, l.known), Problems: append(refined.problems, l.translation.problems()...), Unsettled: l.precedence.unsettled(),
	}
	if read {
		state.Shards = l.knownShards(refined.shards)
	}
	l.announce(state)
}

// departed marks what a member offered as changed: it may be back already, with less.
func (l *loop) departed(shard *model.Shard) {
	if shard == nil {
		return
	}
	for offer := range shard.Services.All() {
		l.changed[offer.Key] = struct{}{}
	}
}

// build takes changes through all stages.
func (l *loop) build(shards map[model.MemberName]*model.Shard, changed map[model.ServiceKey]struct{}, ports map[model.PortKey]uint16) {
	started := time.Now()
	incumbents := l.precedence.before(shards, changed, started)
	l.view = merge.Merge(l.view, merge.Input{Shards: shards, Last: l.merged, Incumbents: incumbents, Quotas: l.quotas}, slices.Collect(maps.Keys(changed)))
	l.merged = shards
	l.precedence.after(l.view, changed)
	merged := time.Now()
	l.took(metrics.StageMerge, merged.Sub(started))
	if l.publisher == nil {
		return // beside Istio no gateway is ours to drive
	}
	difference := l.translation.update(inputs{view: l.view, ports: ports, roots: l.roots(), now: started}, changed)
	translated := time.Now()
	l.publish(difference)
	l.took(metrics.StageTranslate, translated.Sub(merged))
	l.took(metrics.StagePublish, time.Since(translated))
}

// every reports whether something holds for the own member and all others.
func (l *loop) every(names []model.MemberName, holds func(model.MemberName) bool) bool {
	return holds(l.own) && !slices.ContainsFunc(names, func(name model.MemberName) bool { return !holds(name) })
}

// listed reports whether all that a member has is known, and not merely what it
// had before the agent was started.
func (l *loop) listed(name model.MemberName) bool { return l.heard(name) && !l.remembers(name) }

// tried reports whether the first view need not wait for a member: it was listed, or it
// does not answer. What is remembered alone is no reason to go on, for it may be older
// than what gateways were told last: they would be told to forget what exists.
func (l *loop) tried(name model.MemberName) bool {
	shard := l.shards[name]
	return shard != nil && shard.Member.State != model.Joining
}

// known reports whether a member may be served: it was listed, or is remembered.
func (l *loop) known(name model.MemberName) bool {
	return l.heard(name) || l.shards[name] != nil && l.remembers(name)
}

// heard reports whether what there is of a member came from it. Of one that turned out
// to be another cluster before it was ever listed nothing did.
func (l *loop) heard(name model.MemberName) bool {
	shard := l.shards[name]
	return shard != nil && shard.Member.State != model.Joining && (shard.Member.State != model.Quarantined || l.ready[name])
}

// knownShards leaves out members that may not be served.
func (l *loop) knownShards(all map[model.MemberName]*model.Shard) map[model.MemberName]*model.Shard {
	maps.DeleteFunc(all, func(name model.MemberName, _ *model.Shard) bool { return !l.known(name) })
	return all
}

// publish sends endpoints ahead of everything else.
func (l *loop) publish(change change) {
	if len(change.endpoints) > 0 {
		if _, err := l.publisher.PublishEndpoints(l.own, change.endpoints); err != nil {
			l.log.Error("publish endpoints", "error", err)
		}
	}
	if !change.whole {
		return
	}
	l.admitted.Store(&l.translation.shared.Secrets)
	l.publishAll(l.translation.set(), l.publisher.Publish)
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
