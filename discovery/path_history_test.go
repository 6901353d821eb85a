package discovery

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// history is what each replica can know of each member: what it was last seen to have,
// and what it has had since. Once nothing happens any more that is one value; until
// then each of them is as good.
type history struct {
	world *world
	seen  [replicas]map[model.MemberName]*sight
	// ownUntil is until when peers may still call addresses of the own cluster.
	ownUntil map[string]time.Time
	// forgot is true once a replica lost what it had on disk: nobody recorded in this
	// world, of which agents only one cluster has, who was first to export.
	forgot bool
}

// sight is what one replica can know of a member.
type sight struct {
	candidates []facts
	// lost is true where the process has no credential that works; behind is true where
	// the member changed while it could not be seen; unlisted is true until this process
	// has seen all of it.
	lost, behind, unlisted bool
	// quarantined is since when another cluster answers; zero where none does.
	quarantined time.Time
}

func newHistory(w *world) *history {
	h := &history{world: w, ownUntil: map[string]time.Time{}}
	for i := range h.seen {
		h.seen[i] = map[model.MemberName]*sight{ownName: {candidates: []facts{newFacts()}}}
	}
	return h
}

// reaches reports whether a replica sees a member's changes.
func (h *history) reaches(number int, name model.MemberName) bool {
	s := h.seen[number][name]
	if s == nil || s.lost || !s.quarantined.IsZero() || h.world.clusters[name].down {
		return false
	}
	return name != ownName || !h.world.replicas[number].isolated
}

// stalls reports whether a member's changes are on their way to a replica and stand still:
// once they go on it may come to know each of them, or the last alone.
func (h *history) stalls(number int, name model.MemberName) bool {
	r := h.world.replicas[number]
	return name == ownName && r.isolated && r.conns.thawed != nil
}

// changed notes that a member has other facts.
func (h *history) changed(name model.MemberName) {
	for number := range h.seen {
		if s := h.seen[number][name]; s != nil {
			s.behind = true
		}
	}
	h.look()
}

// look takes over what can be seen now.
func (h *history) look() {
	for number := range h.seen {
		for name, s := range h.seen[number] {
			reached := h.reaches(number, name)
			if s.unlisted = s.unlisted && !reached; s.behind && (reached || h.stalls(number, name)) {
				s.candidates, s.behind = append(s.candidates, h.world.clusters[name].facts.clone()), false
			}
		}
	}
	for at, one := range h.world.own.facts.slices {
		for i := range one.health {
			h.ownUntil[addressOf(at.member, one.generation, i)] = time.Now().Add(farewell + time.Second)
		}
	}
}

// settled notes that everything that can be seen was seen.
func (h *history) settled() {
	h.look()
	for number := range h.seen {
		for name, s := range h.seen[number] {
			if h.reaches(number, name) {
				s.candidates = []facts{h.world.clusters[name].facts.clone()}
			}
			if !h.world.clusters[name].down {
				h.expire(s)
			}
		}
	}
}

// expire drops what a member had that has been another cluster for too long. Around that
// time it may be either.
func (h *history) expire(s *sight) {
	const staleAfter, around = 15 * time.Minute, 2 * time.Minute
	since := time.Since(s.quarantined)
	switch {
	case s.quarantined.IsZero() || since < staleAfter-around:
	case since > staleAfter+around:
		s.candidates = []facts{newFacts()}
	default:
		s.candidates = append(s.candidates, newFacts())
	}
}

// sure reports whether what a replica must know of all members is one value.
func (h *history) sure(number int) bool {
	for name, s := range h.seen[number] {
		if len(s.candidates) > 1 || s.behind && h.reaches(number, name) {
			return false
		}
	}
	return true
}

// answersAgain notes that a cluster can be reached: of one that is another than before it
// is found out anew, unless what there was of it is gone.
func (h *history) answersAgain(name model.MemberName) {
	for number := range h.seen {
		s := h.seen[number][name]
		if s == nil || s.quarantined.IsZero() || len(s.candidates) == 1 && len(s.candidates[0].exports) == 0 {
			continue
		}
		s.quarantined = time.Now()
	}
}

// complete reports whether every replica has seen all members. Derived Services stay until
// then, and gateways carry what they are for.
func (h *history) complete() bool {
	for number := range h.seen {
		for _, s := range h.seen[number] {
			if s.unlisted {
				return false
			}
		}
	}
	return true
}

// agree reports whether all replicas know the same. Where they do not, the one that writes
// decides for all which services go through gateways, and which ports they have.
func (h *history) agree() bool {
	for number := range h.seen {
		for name, s := range h.seen[number] {
			other := h.seen[0][name]
			if len(s.candidates) != 1 || len(other.candidates) != 1 || !reflect.DeepEqual(s.candidates, other.candidates) {
				return false
			}
		}
		if h.forgot && !h.world.replicas[number].agrees(h.world.replicas[0]) {
			return false
		}
	}
	return true
}

// agrees reports whether two replicas let the same members have their way.
func (r *replica) agrees(other *replica) bool {
	return maps.Equal(r.firsts(), other.firsts())
}

// firsts are whoever has his way, by service.
func (r *replica) firsts() map[model.ServiceKey]model.MemberName {
	out := map[model.ServiceKey]model.MemberName{}
	if state := r.agent.loop.State(); state != nil {
		for service := range state.View.Services.All() {
			out[service.Key] = service.Exporters[0]
		}
	}
	return out
}

// meshes are all that a replica may know, up to a number that is worth looking at; false
// where there are more.
func (h *history) meshes(number int) ([]mesh, bool) {
	const most = 64
	w := h.world
	networks, gateways := map[model.MemberName]string{}, map[model.MemberName]string{}
	for name, c := range w.clusters {
		networks[name], gateways[name] = c.network, c.advertised()
	}
	known := []map[model.MemberName]facts{{}}
	for _, name := range sortedKeys(h.seen[number]) {
		var next []map[model.MemberName]facts
		for _, before := range known {
			for _, one := range h.seen[number][name].candidates {
				with := maps.Clone(before)
				with[name] = one
				next = append(next, with)
			}
		}
		if known = next; len(known) > most {
			return nil, false
		}
	}
	var out []mesh
	for _, one := range known {
		out = append(out, mesh{networks: networks, gateways: gateways, known: one, order: w.replicas[number].order})
	}
	return out, true
}

// order is who has his way, as this replica has it: that those who were first keep it is
// judged by itself.
func (r *replica) order(service string, exporters []model.MemberName) []model.MemberName {
	var before []model.MemberName
	if state := r.agent.loop.State(); state != nil {
		if one := state.View.Services.Get(model.ServiceKey{Namespace: namespace, Name: service}); one != nil {
			before = one.Exporters
		}
	}
	place := func(name model.MemberName) int {
		if at := slices.Index(before, name); at >= 0 {
			return at
		}
		return len(before)
	}
	out := slices.Clone(exporters)
	slices.SortFunc(out, func(a, b model.MemberName) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	return out
}

func sortedKeys[K cmp.Ordered, V any](all map[K]V) []K { return slices.Sorted(maps.Keys(all)) }
