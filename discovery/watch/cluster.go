package watch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Cluster watches one member. Run is called once; all other methods may be called
// at any time, from anywhere.
type Cluster struct {
	name    model.MemberName
	options Options
	timing  timing
	wakeup  chan struct{}
	stopped chan struct{}

	// mu guards what follows and the tables and faults of the sessions. It is held
	// for moments only, and never while something is sent or waited for.
	mu sync.Mutex
	// ending is set once by Stop or Leave; leaving says which.
	ending, leaving bool
	uid             string
	record          v1alpha1.MemberRecord
	// asked is the session that Replace made and Run has not started yet.
	asked *session
	// current is the session in use, next one that shall take its place as soon as
	// it knows everything.
	current, next *session

	offers
	state     model.State
	since     time.Time
	member    *model.Member
	lastEvent time.Time
	events    int
	swaps     int
	// reopened counts watches of each resource that took the place of one that ended.
	reopened [resourceCount]int
}

// New checks the options. Nothing is contacted before Run.
func New(options Options) (*Cluster, error) {
	return newCluster(options, defaultTiming)
}

func newCluster(options Options, timing timing) (*Cluster, error) {
	options.setDefaults()
	c := &Cluster{
		name: model.MemberName(options.Record.Name), options: options, timing: timing,
		wakeup: make(chan struct{}, 1), stopped: make(chan struct{}),
		uid: options.Record.UID, offers: newOffers(options.Limits, options.Last),
	}
	return c, c.Replace(options.Record, options.Config)
}

// Name is the member's name.
func (c *Cluster) Name() model.MemberName { return c.name }

// Replace brings another credential or record of the same member. What is offered
// stays in use until everything has been listed with the new one; only what
// differs then is offered. Of several the last one counts.
func (c *Cluster) Replace(record v1alpha1.MemberRecord, config *rest.Config) error {
	policy, err := newPolicy(&record, c.options.Exports)
	if err != nil {
		return err
	}
	client, err := newClient(config, c.timing)
	if err != nil {
		return fmt.Errorf("connect to member %s: %w", c.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		client.close()
		return nil
	}
	if c.asked != nil {
		c.asked.client.close()
	}
	c.record, c.asked = record, newSession(c, client, policy)
	if c.uid == "" {
		c.uid = record.UID
	}
	c.wake()
	return nil
}

// Stop ends Run and keeps what the member offered.
func (c *Cluster) Stop() { c.end(false) }

// Leave ends Run and removes what the member offered.
func (c *Cluster) Leave() { c.end(true) }

func (c *Cluster) end(leaving bool) {
	c.mu.Lock()
	c.ending, c.leaving = true, c.leaving || leaving
	c.wake()
	c.mu.Unlock()
}

// Run watches the member and tells the sink until ctx ends, Stop or Leave. When it
// returns, none of its goroutines and connections is left. Without Leave the sink
// is told of no end, so what was offered stays.
func (c *Cluster) Run(ctx context.Context, sink Sink) {
	var group sync.WaitGroup
	defer group.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if leaving, over := c.over(ctx); over {
			c.stopSessions()
			if leaving {
				sink.Leave(c.name)
			}
			return
		}
		retired, shard, changed := c.step(ctx, time.Now())
		for _, one := range retired {
			group.Go(one.stop)
		}
		if shard != nil {
			sink.Offer(shard, changed)
		}
		timer.Reset(c.untilStale(time.Now()))
		select {
		case <-ctx.Done():
		case <-c.wakeup:
		case <-timer.C:
		}
	}
}

func (c *Cluster) over(ctx context.Context) (leaving, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = c.ending || ctx.Err() != nil
	return c.leaving, c.ending
}

func (c *Cluster) stopSessions() {
	c.mu.Lock()
	current, next, asked := c.current, c.next, c.asked
	c.next, c.asked = nil, nil
	c.mu.Unlock()
	if asked != nil {
		asked.client.close()
	}
	for _, one := range []*session{current, next} {
		if one != nil {
			one.stop()
		}
	}
}

// wake makes Run look at what changed. It never blocks.
func (c *Cluster) wake() {
	select {
	case c.wakeup <- struct{}{}:
	default:
	}
}

func (c *Cluster) sawEventLocked() {
	c.lastEvent = time.Now()
	c.events++
	c.wake()
}

// pinned returns the UID that the member must have, and the one found. The first
// one found is pinned where the record had none.
func (c *Cluster) pinned(uid string) (wanted, found string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uid == "" {
		c.uid = uid
	}
	return c.uid, uid
}

// step does everything that is due: it swaps sessions, builds the offers of
// services that changed, and finds out the member's state. The shard is nil where
// nothing differs from the last one.
func (c *Cluster) step(ctx context.Context, now time.Time) (retired []*session, shard *model.Shard, changed []model.ServiceKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	retired = c.swapLocked(ctx)
	c.current.relistLocked(now)
	state := c.stateLocked(now)
	switch {
	case state == model.Quarantined && now.Sub(c.since) >= c.options.StaleAfter:
		changed = c.dropAllLocked()
		c.current.offered, c.current.disowned = false, true
	case c.current.disowned:
	case c.current.syncedLocked() && state != model.Quarantined:
		changed = c.buildLocked(c.current)
	}
	member := c.memberLocked(state)
	if c.member != nil && sameMember(c.member, member) {
		member = c.member
		if len(changed) == 0 {
			return retired, nil, nil
		}
	}
	c.member = member
	return retired, &model.Shard{Member: member, Services: c.published}, changed
}

// swapLocked starts the session that was asked for, and puts the next one in
// place of the current one once it knows everything that the current one does.
func (c *Cluster) swapLocked(ctx context.Context) (retired []*session) {
	if c.asked != nil {
		if c.next != nil {
			retired = append(retired, c.next)
		}
		c.next, c.asked = c.asked, nil
		c.next.start(ctx)
		if c.current == nil {
			c.current, c.next = c.next, nil
		}
	}
	if c.next == nil || !c.next.syncedLocked() || c.next.faultLocked() != nil || c.next.behindLocked(c.current) {
		return retired
	}
	retired = append(retired, c.current)
	c.current, c.next = c.next, nil
	c.swaps++
	return retired
}

// stateLocked finds out the state. Since is when it began.
func (c *Cluster) stateLocked(now time.Time) model.State {
	fault := c.current.faultLocked()
	state := model.Ready
	switch {
	case fault != nil && fault.Reason == IdentityChanged:
		state = model.Quarantined
	case fault == nil && !c.current.syncedLocked():
		state = model.Joining
	case fault != nil && !c.current.syncedLocked() && !c.anythingLocked():
		state = model.Joining
	case fault != nil && now.Sub(fault.Since) >= c.options.StaleAfter:
		state = model.Stale
	case fault != nil:
		state = model.Degraded
	}
	if state != c.state || c.since.IsZero() {
		c.state, c.since = state, now
	}
	return state
}

// untilStale is how long Run may sleep: until a fault is old enough to count.
func (c *Cluster) untilStale(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	const long = time.Hour
	fault := c.current.faultLocked()
	if fault == nil {
		return c.timing.relist
	}
	if left := fault.Since.Add(c.options.StaleAfter).Sub(now); left > 0 {
		return left
	}
	return long
}

// memberLocked is the member as the model has it.
func (c *Cluster) memberLocked(state model.State) *model.Member {
	addresses := c.gatewaysLocked(c.current)
	id := c.record.ClusterID
	if id == "" {
		id = c.record.Name
	}
	return &model.Member{
		Name: c.name, ID: model.ClusterID(id), Network: model.NetworkID(c.record.Network),
		Region: c.record.Region, UID: c.uid, Identity: c.record.Identity, Gateways: addresses,
		GatewayCIDRs: c.current.policy.gateways, State: state,
	}
}
