package publish

import (
	"maps"
	"slices"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// subscription is what one stream wants of one kind, and what it has. All of it but
// the nonce is guarded by the Publisher's mu.
type subscription struct {
	session *session
	scope   *scope
	table   *table
	kind    kind

	wildcard bool
	// held is what the client has or waits for, by name; named counts those that
	// it asked for by name.
	held  map[string]holding
	named int
	// forced counts names that were given back under a wildcard since the last
	// answer; go-control-plane's server remembers each of them until then.
	forced int
	// dirty are names to look at again. owed is an answer that is due even if it
	// is empty: a client that asks for everything must learn that there is nothing.
	dirty map[string]struct{}
	owed  bool

	// unacked is set from when an answer is handed to the stream's goroutine until
	// the client's verdict on it: what changes meanwhile is collected.
	unacked bool
	// nonce is that of the answer that was written; empty before it is. Only the
	// stream's goroutine uses it.
	nonce string

	// none is an empty map for go-control-plane's server, which keeps it and, under
	// a wildcard, writes names that were given back into it.
	none map[string]string

	sent, acked string
	nacks       int
	nack        *Nack
}

// holding is what a client knows of a name.
type holding struct {
	// version is what it has; empty where it has nothing.
	version string
	// named names were asked for one by one.
	named bool
	// answered names need an answer only when they change; one without a version
	// was answered with its absence.
	answered bool
}

func newSubscription(s *session, at *scope, kind kind) *subscription {
	return &subscription{
		session: s, scope: at, table: at.tables[kind], kind: kind,
		held: map[string]holding{}, dirty: map[string]struct{}{}, none: map[string]string{},
	}
}

// updateLocked takes what a request changes. The versions that a client has from
// an earlier stream count in the first request only.
func (u *subscription) updateLocked(request *discoveryv3.DeltaDiscoveryRequest, wildcard, first bool) error {
	var initial map[string]string
	if first {
		initial = request.GetInitialResourceVersions()
		u.session.resumed = u.session.resumed || len(initial) > 0
	}
	limit := u.session.publisher.options.Limits.Names
	for _, name := range request.GetResourceNamesSubscribe() {
		u.nameLocked(name, initial)
	}
	for _, name := range request.GetResourceNamesUnsubscribe() {
		u.unnameLocked(name, wildcard)
	}
	if u.named > limit || u.forced > limit || len(initial) > limit {
		return status.Errorf(codes.ResourceExhausted, "more than %d names on one stream", limit)
	}
	switch {
	case wildcard && !u.wildcard:
		u.wildcard, u.owed = true, len(initial) == 0
		u.table.wildcards[u] = struct{}{}
		u.everythingLocked(initial)
	case !wildcard && u.wildcard:
		u.wildcard = false
		delete(u.table.wildcards, u)
		for name, h := range u.held {
			if !h.named {
				delete(u.held, name)
			}
		}
	}
	return nil
}

// nameLocked asks for a name. The protocol wants an answer also where the client
// asked before, because it may have dropped what it had.
func (u *subscription) nameLocked(name string, initial map[string]string) {
	if name == "*" {
		return
	}
	h := u.held[name]
	if !h.named {
		h.named = true
		u.named++
		u.table.subscribeLocked(name, u)
	}
	h.version, h.answered = initial[name], initial[name] != ""
	u.held[name] = h
	u.dirty[name] = struct{}{}
}

// unnameLocked gives a name back. Under a wildcard the client still gets it, and
// the protocol wants it told once more whether it exists.
func (u *subscription) unnameLocked(name string, wildcard bool) {
	h := u.held[name]
	if !h.named {
		return
	}
	u.named--
	u.table.unsubscribeLocked(name, u)
	if !wildcard {
		delete(u.held, name)
		delete(u.dirty, name)
		return
	}
	u.forced++
	u.held[name] = holding{version: h.version}
	u.dirty[name] = struct{}{}
}

// everythingLocked compares all that there is with what the client has.
func (u *subscription) everythingLocked(initial map[string]string) {
	for name, version := range initial {
		h := u.held[name]
		h.version, h.answered = version, true
		u.held[name] = h
		u.dirty[name] = struct{}{}
	}
	for name := range u.table.records {
		u.dirty[name] = struct{}{}
	}
}

// settleLocked takes a request's verdict on the answer under way. A verdict on
// any other is out of date and counts for nothing. A refusal is returned.
func (u *subscription) settleLocked(request *discoveryv3.DeltaDiscoveryRequest) *Nack {
	stats := &u.session.publisher.stats
	switch nonce := request.GetResponseNonce(); {
	case nonce == "":
		return nil
	case nonce != u.nonce:
		stats.StaleNonces++
		return nil
	}
	u.nonce = ""
	u.landLocked()
	if request.GetErrorDetail() == nil {
		stats.Acks++
		u.acked = u.sent
		return nil
	}
	stats.Nacks++
	u.nacks++
	u.nack = &Nack{Version: u.sent, Message: u.complaint(request.GetErrorDetail().GetMessage()), Time: time.Now()}
	return u.nack
}

const maxComplaint = 2 << 10

// complaint is a gateway's reason for refusing. Reasons quote what they are about,
// so that of a secret is not kept.
func (u *subscription) complaint(message string) string {
	if u.kind == secretKind {
		return "a secret was refused; the reason may quote it and is not kept"
	}
	return message[:min(len(message), maxComplaint)]
}

// landLocked lets the next answer go.
func (u *subscription) landLocked() {
	if u.unacked {
		u.unacked = false
		u.session.publisher.unacked--
	}
}

// manyNames is when a map that was emptied is worth exchanging for a small one:
// maps do not shrink, and every stream has had all names dirty once.
const manyNames = 64

// composeLocked moves what is dirty into an answer; nil where it comes to nothing.
// With keep, resources that are gone stay for later.
func (u *subscription) composeLocked(keep bool) *answer {
	parts := &u.session.publisher.scratch
	parts.names, parts.resources, parts.removed = parts.names[:0], parts.resources[:0], parts.removed[:0]
	for name := range u.dirty {
		parts.names = append(parts.names, name)
	}
	slices.Sort(parts.names)
	for _, name := range parts.names {
		if keep && u.table.currentLocked(name) == nil {
			continue
		}
		delete(u.dirty, name)
		u.lookLocked(name, parts)
	}
	if len(parts.names) > manyNames {
		rest := make(map[string]struct{}, len(u.dirty))
		maps.Copy(rest, u.dirty)
		u.dirty = rest
	}
	if len(parts.resources) == 0 && len(parts.removed) == 0 && !u.owed {
		return nil
	}
	u.owed, u.forced = false, 0
	return &answer{to: u, body: u.table.bodyLocked(parts)}
}

// lookLocked compares what there is of a name with what the client has.
func (u *subscription) lookLocked(name string, parts *scratch) {
	h, heard := u.held[name]
	current := u.table.currentLocked(name)
	switch {
	case current != nil && h.answered && h.version == current.version:
	case current != nil:
		parts.resources = append(parts.resources, current)
		u.held[name] = holding{version: current.version, named: h.named, answered: true}
	case !heard || h.answered && h.version == "":
	case h.named:
		parts.removed = append(parts.removed, name)
		u.held[name] = holding{named: true, answered: true}
	default:
		parts.removed = append(parts.removed, name)
		delete(u.held, name)
	}
}

// comingLocked reports whether a resource that exists waits to be sent.
func (u *subscription) comingLocked() bool {
	for name := range u.dirty {
		current := u.table.currentLocked(name)
		if h := u.held[name]; current != nil && (!h.answered || h.version != current.version) {
			return true
		}
	}
	return false
}

// closeLocked ends a subscription.
func (u *subscription) closeLocked() {
	u.landLocked()
	delete(u.table.wildcards, u)
	for name, h := range u.held {
		if h.named {
			u.table.unsubscribeLocked(name, u)
		}
	}
}
