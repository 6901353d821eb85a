package watch

import (
	"time"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Options describe one member and what it may bring.
type Options struct {
	// Record is who the member is; it must have passed discovery/member's rules.
	Record v1alpha1.MemberRecord
	// Config connects to the member's API server.
	Config *rest.Config
	// Exports names services that are exported without a ServiceExport.
	Exports []v1alpha1.ExportRule
	// NoServiceExports has ServiceExports count for nothing: only Exports does.
	NoServiceExports bool
	// Limits bound what is kept. Zero: the defaults of the agent's configuration.
	Limits Limits
	// StaleAfter is how long a member may be unreachable before it is Stale.
	// Zero: 15 minutes.
	StaleAfter time.Duration
	// Last is what the member offered before the agent was restarted. It is offered
	// again, and compared with, until the member has been listed.
	Last *model.Shard
}

// Limits bound what one member may bring.
type Limits struct {
	// Services and Endpoints are numbers of exported ones.
	Services, Endpoints int
	// Bytes bounds what is kept in memory, exported or not.
	Bytes int
	// EventsPerSecond is how fast changes are read.
	EventsPerSecond int
}

// Sink takes what a member offers. Its methods must not block.
type Sink interface {
	// Offer brings the newest shard, and the services that differ from the one
	// before. Changed is empty where only the member's own values differ.
	Offer(shard *model.Shard, changed []model.ServiceKey)
	// Leave removes everything of a member.
	Leave(member model.MemberName)
}

// timing is every duration of this package, in one place so that tests can
// shorten it.
type timing struct {
	// pulse is the interval of the quorum read, pulseTimeout its limit.
	pulse, pulseTimeout time.Duration
	// backoffLeast and backoffMost bound the pause between attempts: full jitter
	// over a span that doubles.
	backoffLeast, backoffMost time.Duration
	// unauthorized is the least time between attempts with a refused credential.
	unauthorized time.Duration
	// retryAfterMost caps what a server may ask for.
	retryAfterMost time.Duration
	// confirm is the pause before a list that lost much is asked for again.
	confirm time.Duration
	// stall ends a watch that brought neither event nor bookmark for so long.
	stall time.Duration
	// idle ends a list whose bytes stop; initial bounds a whole one.
	idle, initial time.Duration
	// recheck is how often a missing API is looked for, and how long it must be
	// missing to be taken for removed.
	recheck time.Duration
	// pingAfter and pingTimeout find dead HTTP/2 connections.
	pingAfter, pingTimeout time.Duration
	// relist is the least time between lists made because the limits had room again.
	relist time.Duration
}

var defaultTiming = timing{
	pulse: 10 * time.Second, pulseTimeout: 5 * time.Second,
	backoffLeast: 200 * time.Millisecond, backoffMost: 5 * time.Second,
	unauthorized: 30 * time.Second, retryAfterMost: 60 * time.Second,
	confirm: 5 * time.Second, stall: 3 * time.Minute,
	idle: 30 * time.Second, initial: 5 * time.Minute,
	recheck: 30 * time.Second, pingAfter: 5 * time.Second, pingTimeout: 5 * time.Second,
	relist: 30 * time.Second,
}

func (o *Options) setDefaults() {
	if o.StaleAfter == 0 {
		o.StaleAfter = 15 * time.Minute
	}
	for field, value := range map[*int]int{
		&o.Limits.Services: 5000, &o.Limits.Endpoints: 100_000, &o.Limits.Bytes: 64 << 20, &o.Limits.EventsPerSecond: 2000,
	} {
		if *field == 0 {
			*field = value
		}
	}
}
