// Package resolve owns which addresses the DNS names of members' gateways have
// now: load balancers of some clouds have a name and no address of their own, and
// gateways dial addresses only. It stands beside the data path: what it knows goes
// in between watch and merge, as data, by the pure function Apply.
//
// It must not know who asks, nor what is behind a gateway. Names come from members,
// so everything is bounded: names, addresses, time, and lookups at once.
package resolve

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

const (
	// defaultInterval is between two lookups of a name.
	defaultInterval = 30 * time.Second
	// defaultPatience is how long lookups may fail before that is said of a name whose
	// addresses of before are in use.
	defaultPatience = 2 * time.Minute
	// limit bounds one lookup.
	limit = 5 * time.Second
	// maxAtOnce bounds lookups that are under way.
	maxAtOnce = 8
	// maxNames bounds the names of one member, maxAddresses those of one name in each
	// family.
	maxNames     = 8
	maxAddresses = 8
)

// Options say how names are looked up. The zero value is what an agent uses.
type Options struct {
	// Known are the addresses of names from before the agent was started.
	Known map[string][]netip.Addr
	// Lookup returns the addresses of a host in a network, ip4 or ip6; that of Go's
	// own resolver by default.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Interval is between two lookups of a name, give or take a tenth; 30 s by default.
	Interval time.Duration
	// Patience is how long lookups may fail before that is said, where addresses of
	// before are in use; 2 min by default.
	Patience time.Duration
}

// Answer is what is known of one name.
type Answer struct {
	// Addresses are in order. Those of the last good answer stay when there is no
	// other one.
	Addresses []netip.Addr
	// Failure is why there is no newer answer; empty where there is, or where lookups
	// have not failed for long.
	Failure string
}

func (a Answer) equal(b Answer) bool {
	return a.Failure == b.Failure && slices.Equal(a.Addresses, b.Addresses)
}

// Answers are by name. They are immutable. A name that was never looked up is not
// among them.
type Answers map[string]Answer

// Resolver keeps answers fresh. It is safe for concurrent use.
type Resolver struct {
	options Options
	// changed gets a value when an answer is another one, asked when there are names
	// that were never looked up.
	changed, asked chan struct{}
	answers        atomic.Pointer[Answers]

	// mu guards what is below.
	mu    sync.Mutex
	names map[string]*name
	// known are the addresses from before of names that nobody asked for yet.
	known map[string][]netip.Addr
}

// New returns a Resolver that is asked for nothing yet.
func New(options Options) *Resolver {
	if options.Lookup == nil {
		options.Lookup = (&net.Resolver{PreferGo: true}).LookupNetIP
	}
	if options.Interval == 0 {
		options.Interval = defaultInterval
	}
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	r := &Resolver{
		options: options, changed: make(chan struct{}, 1), asked: make(chan struct{}, 1),
		names: map[string]*name{}, known: maps.Clone(options.Known),
	}
	r.answers.Store(&Answers{})
	return r
}

// Changed gets a value when an answer is another one.
func (r *Resolver) Changed() <-chan struct{} { return r.changed }

// Answers are those of now.
func (r *Resolver) Answers() Answers { return *r.answers.Load() }

// Want says which members' gateways matter from now on. New names are looked up at
// once, others forgotten. Of one member only the first few names count.
func (r *Resolver) Want(gateways map[model.MemberName][]model.HostPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := map[string]bool{}
	for _, list := range gateways {
		for _, one := range firstNames(list) {
			wanted[one] = true
		}
	}
	differs := false
	for one := range wanted {
		if r.names[one] == nil {
			r.names[one] = newName(r.known[one])
			delete(r.known, one) // it is of before only once
			differs = true
			wake(r.asked)
		}
	}
	for one := range r.names {
		if !wanted[one] {
			delete(r.names, one)
			differs = true
		}
	}
	if differs {
		r.tellLocked()
	}
}

// firstNames are the names among gateways that are looked up, in order.
func firstNames(gateways []model.HostPort) []string {
	var found []string
	for _, one := range gateways {
		if _, isIP := one.IP(); !isIP {
			found = append(found, one.Host)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return found[:min(len(found), maxNames)]
}

// Run looks names up until ctx ends.
func (r *Resolver) Run(ctx context.Context) error {
	tenth := r.options.Interval / 10
	pause := func() time.Duration { return r.options.Interval - tenth + rand.N(2*tenth+1) }
	timer := time.NewTimer(pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.asked:
			// The timer goes on: a member with ever new names must not keep the others' old.
			r.round(ctx, func(n *name) bool { return !n.tried })
		case <-timer.C:
			r.round(ctx, func(*name) bool { return true })
			timer.Reset(pause())
		}
	}
}

// round looks up the names that are due.
func (r *Resolver) round(ctx context.Context, due func(*name) bool) {
	r.mu.Lock()
	var hosts []string
	for host, one := range r.names {
		if due(one) {
			hosts = append(hosts, host)
		}
	}
	r.mu.Unlock()
	var group sync.WaitGroup
	slots := make(chan struct{}, maxAtOnce)
	for _, host := range hosts {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			r.look(ctx, host)
		})
	}
	group.Wait()
}

// look looks one name up. Its families are asked for apart: an answer of one must
// not take the other's addresses away.
func (r *Resolver) look(ctx context.Context, host string) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var found [families]found
	var group sync.WaitGroup
	for i, network := range networks {
		group.Go(func() {
			// The name is whole: one that goes on in this cluster's own domains is another.
			addresses, err := r.options.Lookup(limited, network, host+".")
			found[i] = foundOf(addresses, err)
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.names[host]; one != nil {
		one.note(found, time.Now(), r.options.Patience)
		r.tellLocked()
	}
}

// tellLocked makes what is known the answers of now.
func (r *Resolver) tellLocked() {
	answers := Answers{}
	for host, one := range r.names {
		if one.tried || len(one.answer.Addresses) > 0 {
			answers[host] = one.answer
		}
	}
	if last := r.Answers(); maps.EqualFunc(last, answers, Answer.equal) {
		return
	}
	r.answers.Store(&answers)
	wake(r.changed)
}

func wake(waiting chan struct{}) {
	select {
	case waiting <- struct{}{}:
	default:
	}
}
