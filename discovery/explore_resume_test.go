package discovery

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/snapshot"
	"github.com/eastwest-mesh/eastwest/internal/explore"
)

// TestEveryOrderOfResuming walks every order in which two members change, are heard and
// lost, and an agent writes its snapshot, ends, begins anew and gives up waiting. What
// gateways have is never taken away by ignorance nor goes back in one process, and no
// snapshot forgets a member. Agents share nothing here, so one stands for all. Members
// are offered as discovery/watch offers them: TestThePath has that one do it.
func TestEveryOrderOfResuming(t *testing.T) {
	t.Parallel()
	few := 1
	if long() {
		few = 2
	}
	states := explore.All(t, func() explore.System { return walked{newResuming(few)} })
	t.Logf("%d states", states)
	if states < 500 {
		t.Errorf("only %d states: something cannot happen", states)
	}
}

// goneAt is after how many changes a member exports nothing.
const goneAt = 1

// resuming is an agent over its restarts. Counts of changes stand for what a member
// offers; -1 for nothing.
type resuming struct {
	*start
	names []model.MemberName
	truth map[model.MemberName]int
	// has is what gateways have, and floor what they had when the process began.
	has map[model.MemberName]int
	// watched is what the watch of each member knows; heard is true once it has listed.
	watched map[model.MemberName]*model.Shard
	heard   map[model.MemberName]bool
	saved   snapshot.Content
	// forgotten are members that the process does not know from before, loaded is what it
	// knows of the others: a snapshot may be some seconds older than the end.
	forgotten map[model.MemberName]bool
	loaded    map[model.MemberName]int
	// changes, restarts, losses and saves are how many there may still be.
	changes, restarts, losses, saves int
	left, pending                    bool
	wrong                            string
}

// walked is resuming as what it walks needs it: a loop has a State, too.
type walked struct{ *resuming }

func (w walked) State() string { return w.place() }
func (w walked) Close()        {}

// Rest implements explore.System: all members answer.
func (w walked) Rest() string {
	for _, name := range w.names {
		w.Do("hear " + string(name))
	}
	w.Do("turn")
	state := w.resuming.State()
	if w.wrong != "" || state == nil || !state.Complete {
		return fmt.Sprintf("at rest %+v %s", state, w.wrong)
	}
	for _, name := range w.names {
		wanted := w.truth[name]
		if wanted == goneAt {
			wanted = -1
		}
		if got := w.served(state, name); got != wanted {
			return fmt.Sprintf("I4: at rest %d of %s is served, want %d", got, name, wanted)
		}
	}
	return ""
}

func newResuming(few int) *resuming {
	r := &resuming{
		names: []model.MemberName{"east", "west"}, truth: map[model.MemberName]int{}, has: map[model.MemberName]int{"east": -1, "west": -1},
		changes: few, restarts: 1, losses: few, saves: 1,
	}
	r.begin()
	return r
}

// begin starts a process with what was saved.
func (r *resuming) begin() {
	r.start = newStart()
	loaded := maps.Clone(r.saved.Shards)
	if loaded == nil {
		loaded = snapshot.Shards{}
	}
	r.memory = newMemory(loaded, r.inbox)
	r.remembers = r.memory.remembers
	r.precedence = precedence{own: "east", incumbents: maps.Clone(r.saved.Incumbents)}
	r.start.names = slices.Clone(r.names)
	r.watched, r.heard, r.forgotten = map[model.MemberName]*model.Shard{}, map[model.MemberName]bool{}, map[model.MemberName]bool{}
	r.loaded = map[model.MemberName]int{}
	for _, name := range r.names {
		last := r.memory.recall(v1alpha1.MemberRecord{Name: string(name)})
		if r.forgotten[name] = last == nil; last != nil {
			r.loaded[name] = countOf(last.Services.Get(cart))
		}
		r.offer(name, model.Joining, last)
	}
	r.pending = true
}

// offer is what a watch does when a member's state is another one: it offers what it
// knows, or nothing.
func (r *resuming) offer(name model.MemberName, state model.State, from *model.Shard) {
	services := model.Offers{}
	if from != nil {
		services = from.Services
	}
	shard := &model.Shard{Member: shardOf(name, state).Member, Services: services}
	r.watched[name] = shard
	r.memory.Offer(shard, []model.ServiceKey{cart})
	r.pending = true
}

// shardAt is what a member offers after some changes: so many endpoints and one more.
func shardAt(name model.MemberName, changes int) *model.Shard {
	shard := shardOf(name, model.Ready)
	if changes == goneAt {
		shard.Services = model.Offers{}
		return shard
	}
	slice := &model.Slice{Name: "s"}
	for i := range changes + 1 {
		slice.Endpoints.Append(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Zone: model.NoZone})
	}
	shard.Services = model.OffersOf(&model.Offer{Key: cart, Slices: []*model.Slice{slice}})
	return shard
}

// Actions implements explore.System.
func (r *resuming) Actions() []string {
	var all []string
	if state := r.State(); state != nil && !maps.Equal(state.Shards, r.saved.Shards) && r.saves > 0 {
		all = append(all, "save")
	}
	if r.pending {
		all = append(all, "turn")
	}
	if r.restarts > 0 {
		all = append(all, "restart")
	}
	if !r.late {
		all = append(all, "give up")
	}
	if len(r.names) > 1 && r.heard["west"] && long() {
		all = append(all, "leave west")
	}
	for _, name := range r.names {
		if r.changes > 0 && name == "east" {
			all = append(all, "change east")
		}
		if !r.sees(name) {
			all = append(all, "hear "+string(name))
		}
		if state := r.watched[name].Member.State; r.losses > 0 && (state == model.Ready || state == model.Joining && r.watched[name].Services.Len() > 0) {
			all = append(all, "lose "+string(name))
		}
	}
	return all
}

// sees reports whether a member is watched and has nothing new.
func (r *resuming) sees(name model.MemberName) bool {
	return r.watched[name].Member.State == model.Ready && countOf(r.watched[name].Services.Get(cart)) == countOf(shardAt(name, r.truth[name]).Services.Get(cart))
}

// Do implements explore.System.
func (r *resuming) Do(action string) string {
	word, rest, _ := strings.Cut(action, " ")
	name := model.MemberName(rest)
	switch word {
	case "change":
		r.changes--
		r.truth[name]++
	case "hear":
		r.heard[name] = true
		r.offer(name, model.Ready, shardAt(name, r.truth[name]))
	case "lose":
		r.losses--
		r.offer(name, model.Degraded, r.watched[name])
	case "leave":
		r.names = []model.MemberName{"east"}
		r.start.names, r.pending, r.left = r.names, true, true
		r.memory.Leave(name)
	case "give":
		r.late, r.pending = true, true
	case "turn":
		r.pending = false
		r.turn()
		r.judge()
	case "save":
		r.saves--
		r.save()
	case "restart":
		r.restarts--
		r.begin()
	}
	return r.wrong
}

// save is what the agent's keeper of snapshots does.
func (r *resuming) save() {
	state := r.State()
	if state == nil || state.Shards == nil {
		return
	}
	for name := range r.saved.Shards {
		if state.Shards[name] == nil && slices.Contains(r.names, name) {
			r.wrong = fmt.Sprintf("the snapshot forgets %s", name)
		}
	}
	r.saved = snapshot.Content{Shards: maps.Clone(state.Shards), Incumbents: contested(state.View, state.Unsettled)}
}

// judge looks at what gateways are told.
func (r *resuming) judge() {
	state := r.State()
	if state == nil {
		return
	}
	for _, name := range []model.MemberName{"east", "west"} {
		now, before := r.served(state, name), r.has[name]
		withdrawn := r.truth[name] >= goneAt && before < goneAt
		known, loaded := r.loaded[name]
		tried := r.late || r.watched[name].Member.State != model.Joining
		asBefore := loaded && !r.heard[name] && now == known && tried
		ignorant := r.forgotten[name] && !r.heard[name] && r.late
		switch {
		case now >= 0 && now != before && !r.heard[name] && !tried:
			r.wrong = fmt.Sprintf("what is remembered of %s is served before it could answer", name)
		case now > r.truth[name]:
			r.wrong = fmt.Sprintf("I1: %s is served as it will be", name)
		case now < 0 && before >= 0 && !withdrawn && !ignorant && !asBefore && slices.Contains(r.names, name):
			r.wrong = fmt.Sprintf("I2: %s is taken away, and is there", name)
		case now >= 0 && now < before && (r.heard[name] || !tried):
			r.wrong = fmt.Sprintf("I3: %s goes back from %d to %d", name, before, now)
		case now >= 0 && !slices.Contains(r.names, name):
			r.wrong = fmt.Sprintf("I1: %s left, and is served", name)
		}
		r.has[name] = now
		if state.Complete && !r.heard[name] && slices.Contains(r.names, name) {
			r.wrong = fmt.Sprintf("all is said to be known, but %s was not heard", name)
		}
	}
	unknown := slices.ContainsFunc(r.names, func(name model.MemberName) bool { return r.forgotten[name] && !r.heard[name] })
	if state.Blind != unknown {
		r.wrong = fmt.Sprintf("a member is not known: %v, said to be: %v", unknown, state.Blind)
	}
	for _, name := range r.names {
		if known := r.heard[name] || !r.forgotten[name]; known != (state.Shards[name] != nil) {
			r.wrong = fmt.Sprintf("%s is known: %v, and a snapshot would have %v", name, known, state.Shards[name])
		}
	}
}

// served is after how many changes a member's part of the service was so.
func (r *resuming) served(state *State, name model.MemberName) int {
	service := state.View.Services.Get(cart)
	if service == nil {
		return -1
	}
	at := slices.IndexFunc(service.Backends, func(b model.Backend) bool { return b.Member == name })
	if at < 0 {
		return -1
	}
	return service.Backends[at].Slices[0].Endpoints.Len() - 1
}

// countOf is after how many changes an offer was so.
func countOf(offer *model.Offer) int {
	if offer == nil {
		return -1
	}
	return offer.Slices[0].Endpoints.Len() - 1
}

// place tells states apart.
func (r *resuming) place() string {
	sizes := func(all map[model.MemberName]*model.Shard) string {
		var parts []string
		for _, name := range sortedKeys(all) {
			parts = append(parts, fmt.Sprint(name, all[name].Member.State, countOf(all[name].Services.Get(cart))))
		}
		return strings.Join(parts, ",")
	}
	memory := ""
	for _, name := range []model.MemberName{"east", "west"} {
		memory += fmt.Sprint(r.memory.remembers(name), r.ready[name])
	}
	return fmt.Sprint(
		r.truth, r.has, sizes(r.watched), r.heard, sizes(r.saved.Shards), r.saved.Shards == nil, r.forgotten, r.changes, r.restarts, r.losses, r.saves, r.left, r.pending, r.late,
		sizes(r.shards), r.State() == nil, memory, r.loaded,
	)
}
