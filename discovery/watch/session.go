package watch

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/util/flowcontrol"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// A list that lost more than half of all endpoints, and more than a few, is asked
// for again before it is believed.
const fewEndpoints = 10

// session is one connection to the member with one credential and one record: a
// pulse and a stream for every resource, and what they learned.
type session struct {
	cluster *Cluster
	client  *client
	policy  *policy
	timing  timing
	started time.Time
	streams [resourceCount]*stream
	limiter flowcontrol.RateLimiter
	// poke asks the pulse to hear the member now.
	poke chan struct{}

	cancel context.CancelFunc
	group  sync.WaitGroup

	// What follows is guarded by the mutex of the Cluster.
	table *table
	// offered is true once offers were made of the table.
	offered bool
	// disowned is true where the table is of another cluster than the one that answered
	// last, and was dropped for it: until the first one answers again nothing is offered.
	disowned bool
	// lastList is when the slices were last listed, exportAdded whether a service
	// was exported since.
	lastList    time.Time
	exportAdded bool
	// beat is closed whenever the pulse has an answer.
	beat       chan struct{}
	fault      *Fault
	verifiedAt time.Time
	revision   uint64
	quietUntil time.Time
}

func newSession(c *Cluster, client *client, policy *policy) *session {
	limit := c.options.Limits.EventsPerSecond
	s := &session{
		cluster: c, client: client, policy: policy, timing: c.timing,
		limiter: flowcontrol.NewTokenBucketRateLimiter(float32(limit), max(limit, 1)),
		poke:    make(chan struct{}, 1), beat: make(chan struct{}), table: newTable(),
	}
	s.table.deaf = c.options.NoServiceExports
	for i, one := range watched(policy) {
		s.streams[i] = &stream{resource: one, session: s}
	}
	return s
}

// start begins to watch. It returns at once.
func (s *session) start(ctx context.Context) {
	s.started = time.Now()
	ctx, s.cancel = context.WithCancel(ctx)
	s.group.Go(func() { s.pulse(ctx) })
	for _, one := range s.streams {
		s.group.Go(func() { one.run(ctx) })
	}
}

// stop ends all goroutines and connections, and waits for them.
func (s *session) stop() {
	s.cancel()
	s.client.close()
	s.group.Wait()
}

// syncedLocked reports whether every resource was listed.
func (s *session) syncedLocked() bool {
	for _, one := range s.streams {
		if !one.listed {
			return false
		}
	}
	return true
}

// faultLocked is the fault that began first; nil where all is well.
func (s *session) faultLocked() *Fault {
	first := s.fault
	if first != nil && first.Reason == IdentityChanged {
		return first
	}
	for _, one := range s.streams {
		if one.fault != nil && (first == nil || one.fault.Since.Before(first.Since)) {
			first = one.fault
		}
	}
	return first
}

// put applies an object that was added or changed.
func (s *session) put(from *stream, one object, version string) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.putLocked(from.index, one)
	from.reachedLocked(version, true)
	s.cluster.sawEventLocked()
}

func (s *session) putLocked(index int, one object) {
	if one.export != nil && s.table.export(one.key) == nil {
		s.exportAdded = true
	}
	if !s.roomLocked(index, one) {
		s.table.remove(index, one.id)
		one.drops = []Drop{{Object: one.key.String(), Reason: DropTooLarge}}
		s.table.note(index, one)
		return
	}
	s.table.put(index, one)
}

// roomLocked reports whether an object fits. The endpoints of services that are
// not exported make room for those that are.
func (s *session) roomLocked(index int, one object) bool {
	t, most := s.table, s.cluster.options.Limits.Bytes
	wanted := index != ofSlices || s.exportedLocked(one.key)
	if t.lean && !wanted {
		t.refused = true
		return false
	}
	if t.bytes+one.size > most && wanted && !t.lean {
		t.lean, t.refused = true, true
		for _, id := range t.ids(ofSlices) {
			if !s.exportedLocked(model.ServiceKey{Namespace: id.namespace, Name: t.owners[id]}) {
				t.removeSlice(id)
			}
		}
	}
	if t.bytes+one.size <= most {
		return true
	}
	t.refused, t.refusedWanted = true, t.refusedWanted || wanted
	return false
}

func (s *session) exportedLocked(key model.ServiceKey) bool {
	found := s.table.export(key) != nil
	return found || s.policy.exported(key)
}

// remove applies the deletion of an object. It is never held back.
func (s *session) remove(from *stream, id objectID, version string) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.table.remove(from.index, id)
	from.reachedLocked(version, true)
	s.cluster.sawEventLocked()
}

// heardUpTo notes that nothing happened up to a revision.
func (s *session) heardUpTo(from *stream, version string) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	from.reachedLocked(version, false)
	if s == s.cluster.next {
		s.cluster.wake()
	}
}

// reachedLocked notes up to which revision everything is known, and whether something
// was applied that is of it.
func (s *stream) reachedLocked(version string, applied bool) {
	s.known, _ = strconv.ParseUint(version, 10, 64)
	if applied {
		s.applied, s.appliedAt = s.known, time.Now()
	}
}

// behindLocked reports whether another session of the same member has applied what this
// one has not seen yet: put in its place, it would take the member back in time. Where
// the store itself went back, nothing is waited for.
func (s *session) behindLocked(other *session) bool {
	for i, one := range s.streams {
		last := other.streams[i]
		wentBack := s.verifiedAt.After(last.appliedAt) && s.revision < last.applied
		if !one.absent && one.known < last.applied && !wentBack {
			return true
		}
	}
	return false
}

// listing is a list in the making, bounded like what is kept.
type listing struct {
	all   map[objectID]object
	bytes int
	most  int
	cut   bool
}

func newListing(s *session) *listing {
	// What is in use stays until the list is complete, so both are in memory.
	return &listing{all: map[objectID]object{}, most: s.cluster.options.Limits.Bytes}
}

func (l *listing) add(one object) {
	l.remove(one.id)
	size := max(one.size, 1)
	if l.bytes+size > l.most {
		l.cut = true
		return
	}
	l.all[one.id] = one
	l.bytes += size
}

func (l *listing) remove(id objectID) {
	if last, found := l.all[id]; found {
		l.bytes -= max(last.size, 1)
		delete(l.all, id)
	}
}

// replace applies a list. It is false where the list lost so much that it must
// be confirmed by a second one.
func (s *session) replace(from *stream, list *listing, version string, confirmed bool) bool {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if lost, before := c.lossLocked(s, from.index, list.all); !confirmed && lost > fewEndpoints && 2*lost > before {
		return false
	}
	t := s.table
	if from.index == ofSlices {
		t.lean, t.refused, t.refusedWanted, s.exportAdded, s.lastList = false, false, false, false, time.Now()
	}
	for _, id := range t.ids(from.index) {
		if _, found := list.all[id]; !found {
			t.remove(from.index, id)
		}
	}
	// In order, so that what does not fit is the same every time.
	for _, id := range slices.SortedFunc(maps.Keys(list.all), objectID.compare) {
		s.putLocked(from.index, list.all[id])
	}
	if list.cut {
		t.refused, t.refusedWanted = true, true
	}
	from.listed, from.fault = true, nil
	from.reachedLocked(version, true)
	c.sawEventLocked()
	return true
}

// holds reports whether anything came from a resource.
func (s *session) holds(index int) bool {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	lost, _ := s.cluster.lossLocked(s, index, nil)
	return lost > 0 || len(s.table.ids(index)) > 0
}

// withdraw applies that a resource is not served.
func (s *session) withdraw(from *stream) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	for _, id := range s.table.ids(from.index) {
		s.table.remove(from.index, id)
	}
	from.listed, from.absent, from.fault = true, true, nil
	s.cluster.wake()
}

// relistLocked asks for new lists where objects were refused that have room now.
func (s *session) relistLocked(now time.Time) {
	t := s.table
	room := t.refusedWanted && t.bytes < s.cluster.options.Limits.Bytes/4*3
	if !t.refused || !room && !s.exportAdded || now.Sub(s.lastList) < s.timing.relist {
		return
	}
	s.lastList = now
	for _, index := range []int{ofServices, ofSlices} {
		if again := s.streams[index].again; again != nil {
			again(errRelist)
		}
	}
}
