package watch

import (
	"sync"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Inbox is a Sink that keeps the newest shard of every member until somebody
// takes it. What comes in between is conflated: shards by latest wins, changed
// services by union. It holds no more than the members offer.
type Inbox struct {
	wake chan struct{}

	// mu guards updates.
	mu      sync.Mutex
	updates map[model.MemberName]*Update
}

// Update is what became of a member since the last Take.
type Update struct {
	// Shard is the newest; nil where the member left.
	Shard *model.Shard
	// Changed holds the services that differ from the shard taken before. After a
	// member left and came back it holds what the new one offers only: what the old
	// one offered is to be compared by whoever took it.
	Changed map[model.ServiceKey]struct{}
	// Left is true where the member left, even if it came back.
	Left bool
}

// NewInbox returns an empty one.
func NewInbox() *Inbox {
	return &Inbox{wake: make(chan struct{}, 1), updates: map[model.MemberName]*Update{}}
}

// Wake gets a value when there is something to take.
func (i *Inbox) Wake() <-chan struct{} { return i.wake }

// Take returns all that came in since it was last called.
func (i *Inbox) Take() map[model.MemberName]*Update {
	i.mu.Lock()
	defer i.mu.Unlock()
	taken := i.updates
	i.updates = map[model.MemberName]*Update{}
	return taken
}

// Offer keeps a shard.
func (i *Inbox) Offer(shard *model.Shard, changed []model.ServiceKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	update := i.updateLocked(shard.Member.Name)
	update.Shard = shard
	for _, key := range changed {
		update.Changed[key] = struct{}{}
	}
	i.signal()
}

// Leave keeps that a member left.
func (i *Inbox) Leave(member model.MemberName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	update := i.updateLocked(member)
	update.Shard, update.Left = nil, true
	clear(update.Changed)
	i.signal()
}

func (i *Inbox) updateLocked(member model.MemberName) *Update {
	update := i.updates[member]
	if update == nil {
		update = &Update{Changed: map[model.ServiceKey]struct{}{}}
		i.updates[member] = update
	}
	return update
}

func (i *Inbox) signal() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}
