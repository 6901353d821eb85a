package discovery

import (
	"maps"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/merge"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
)

// hush is how long nothing must have come in before gateways that have nothing are told
// of what is known: while members are being listed, each would bring another part.
const hush = 200 * time.Millisecond

// early tells gateways that have nothing yet of what is known so far, while the first
// view waits for members that may answer. It is made by the way: whose values hold, and
// everything else that the first view decides, is left to that. Gateways that come back
// keep what they have.
func (l *loop) early() {
	if l.publisher == nil {
		return // beside Istio no gateway is ours to drive
	}
	expected, read := l.expected()
	ports, known := l.ports.Ports()
	if !read || !known || !l.listed(l.own) {
		return
	}
	shards := l.knownShards(l.refine().shards)
	view := merge.Merge(nil, merge.Input{Shards: shards, Incumbents: maps.Clone(l.precedence.incumbents), Quotas: l.quotas}, nil)
	once := l.translation
	once.update(inputs{view: view, ports: ports, roots: l.roots(), now: time.Now()}, map[model.ServiceKey]struct{}{})
	l.admitted.Store(&once.shared.Secrets)
	l.publishAll(once.set(), l.publisher.PublishEarly)
	if !l.begun.Swap(true) {
		l.log.Info("gateways that have nothing are told of what is known so far", "members", len(shards), "of", len(expected)+1)
	}
}

// publishAll sends everything.
func (l *loop) publishAll(all publish.Set, send func(model.MemberName, publish.Set) (int, error)) {
	// Whom a listener admits goes ahead of the listener.
	if _, err := l.publisher.Renewed(l.identity); err != nil {
		l.log.Error("publish who may enter", "error", err)
	}
	if _, err := send(l.own, all); err != nil {
		l.log.Error("publish", "error", err)
	}
}
