package discovery

import (
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// checkQuotas is I7, of what is offered.
func (w *world) checkQuotas(what string, state *State) {
	for name, shard := range state.Shards {
		endpoints := 0
		for one := range shard.Services.All() {
			for _, slice := range one.Slices {
				endpoints += slice.Endpoints.Len()
			}
		}
		if shard.Services.Len() > quotaServices || endpoints > quotaEndpoints {
			w.violate("I7: %s: %d services and %d endpoints of %s", what, shard.Services.Len(), endpoints, name)
		}
	}
}

// checkKeeps is I7, of what is kept: no more than what a member has, and the same memory
// wherever it is the same.
func (w *world) checkKeeps(what string) {
	takes := map[model.MemberName]int{}
	for number, r := range w.replicas {
		all, _ := r.agent.members.standings()
		for i := range all {
			one := &all[i]
			seen := w.facts.seen[number][one.name]
			if seen == nil || !w.facts.reaches(number, one.name) || len(seen.candidates) != 1 {
				continue
			}
			w.checkCounts(what, number, one, seen.candidates[0])
			if before, counted := takes[one.name]; counted && before != one.Counts.Bytes {
				w.violate("I7: %s: %s takes %d bytes of one replica and %d of another", what, one.name, before, one.Counts.Bytes)
			}
			takes[one.name] = one.Counts.Bytes
		}
	}
}

func (w *world) checkCounts(what string, number int, one *standing, has facts) {
	exports, unserved := 0, 0
	for name, by := range has.exports {
		for _, in := range []bool{by.upstream, by.gke} {
			if in {
				exports++
			}
		}
		if _, found := has.services[name]; !found {
			unserved++
		}
	}
	problems := 0
	for _, problem := range one.Problems {
		if problem.Reason == watch.ProblemNoService {
			problems++
		}
	}
	got := [...]int{one.Counts.Services, one.Counts.Slices, one.Counts.Exports, problems}
	if want := [...]int{len(has.services), len(has.slices), exports, unserved}; got != want {
		w.violate("I7: %s: replica %d keeps %v services, slices, exports and problems of %s, which has %v", what, number, got, one.name, want)
	}
	if empty := len(has.services)+len(has.slices)+exports == 0; empty != (one.Counts.Bytes == 0) || one.Counts.Bytes < 0 {
		w.violate("I7: %s: %s takes %d bytes of replica %d", what, one.name, one.Counts.Bytes, number)
	}
}
