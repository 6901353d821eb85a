package discovery

import (
	"maps"
	"slices"
	"strings"
	"testing/synctest"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// rest waits until nothing happens any more that time alone brings about, and judges
// what came of it.
func (w *world) rest() {
	after(patient)
	w.facts.settled()
	w.broken = w.anyIsolated()
	w.check("at rest", true)
	w.checkKeeps("at rest")
	w.tryToWrite("at rest")
}

// before is what was so before a step.
type before struct {
	serves     [replicas]map[string][]host
	incumbents [replicas]map[string]model.MemberName
	offers     [replicas]map[model.MemberName]model.Offers
	sure       bool
}

func (w *world) before() before {
	out := before{sure: true}
	for number, r := range w.replicas {
		out.serves[number] = w.gateways[number].serves()
		out.incumbents[number], out.offers[number] = map[string]model.MemberName{}, map[model.MemberName]model.Offers{}
		out.sure = out.sure && w.facts.sure(number)
		state := r.agent.loop.State()
		if state == nil {
			continue
		}
		for name, shard := range state.Shards {
			out.offers[number][name] = shard.Services
		}
		for service := range state.View.Services.All() {
			if _, fresh := state.Unsettled[service.Key]; !fresh {
				out.incumbents[number][service.Key.Name] = service.Exporters[0]
			}
		}
	}
	return out
}

// step does what happens at once, and judges what comes of it.
func (w *world) step(burst []op) {
	past := w.before()
	for _, one := range burst {
		w.facts.look()
		if w.recorded && breaks[one.act] && one.member == ownName {
			synctest.Wait() // what is not told before the watch ends is told when it is back
		}
		acts[one.act](w, one, w.clusters[one.member])
		w.broken = w.broken || one.act == "heal" || one.act == "isolate" || one.act == "stall" || breaks[one.act] && one.member == ownName
		if publishes[one.act] {
			w.facts.changed(one.member)
		}
		w.facts.look()
	}
	synctest.Wait()
	w.recorded = false
	what := describe(burst)
	w.check(what, false)
	w.checkKept(what, past)
	if past.sure && !slices.ContainsFunc(burst, func(o op) bool { return !publishes[o.act] || o.member != burst[0].member }) {
		w.checkOthers(what, past, burst[0].member)
	}
	if !slices.ContainsFunc(burst, func(o op) bool { return displaces[o.act] }) {
		w.checkIncumbents(what, past)
	}
}

// breaks are acts that end watches.
var breaks = map[string]bool{"cut": true, "compact": true, "flicker": true}

// publishes are acts that change what a member publishes, and displaces those after
// which somebody else may have his way.
var (
	publishes = map[string]bool{"service": true, "unservice": true, "export": true, "unexport": true, "slice": true, "unslice": true, "flood": true}
	displaces = map[string]bool{
		"unservice": true, "unexport": true, "leave": true, "join": true, "wipe": true, "forget": true, "restart": true, "flicker": true,
		"service": true, "export": true, "long": true, "rest": true, "rotate": true, "wait": true, "up": true, "heal": true, "down": true, "isolate": true, "stall": true, "flood": true, "garble": true,
	}
)

func describe(burst []op) string {
	var words []string
	for _, one := range burst {
		words = append(words, one.String())
	}
	return strings.Join(words, "; ")
}

// check is I1 and I7, and I4 where everything is at rest.
func (w *world) check(what string, atRest bool) {
	synctest.Wait()
	for number, r := range w.replicas {
		state := r.agent.loop.State()
		if state != nil {
			w.checkQuotas(what, state)
		}
		meshes, few := w.facts.meshes(number)
		if !few || state == nil {
			continue
		}
		serves := w.gateways[number].serves()
		allowed := map[key]bool{}
		for _, one := range meshes {
			one.anyway = true
			for cluster, hosts := range one.wanted() {
				for _, one := range hosts {
					allowed[key{cluster, one.member, one.address}] = true
				}
			}
		}
		for at := range keysOf(serves) {
			if !allowed[at] && !w.mayStillBeCalled(at) {
				w.violate("I1: %s: replica %d serves %s of %q in %s, which nobody published", what, number, at.address, at.member, at.cluster)
			}
		}
		if atRest && len(meshes) == 1 && !r.isolated && w.facts.agree() {
			w.checkEqual(what, number, meshes[0], serves)
		}
	}
}

// key is a place that an endpoint is served at.
type key struct{ cluster, member, address string }

func keysOf(serves map[string][]host) map[key]bool {
	out := map[key]bool{}
	for cluster, hosts := range serves {
		for _, one := range hosts {
			out[key{cluster, one.member, one.address}] = true
		}
	}
	return out
}

// checkEqual is I4.
func (w *world) checkEqual(what string, number int, has mesh, serves map[string][]host) {
	wanted := has.wanted()
	if has.anyway = true; !w.facts.complete() {
		for cluster, hosts := range has.wanted() {
			if _, found := serves[cluster]; found {
				wanted[cluster] = hosts
			}
		}
	}
	for _, cluster := range sortedKeys(wanted) {
		got, found := serves[cluster]
		if !found && w.mayWait(cluster, wanted) {
			continue
		}
		if !found || !slices.Equal(got, wanted[cluster]) {
			w.violate("I4: %s: replica %d serves %s: %v, want %v", what, number, cluster, got, wanted[cluster])
		}
	}
	for _, cluster := range sortedKeys(serves) {
		if _, found := wanted[cluster]; !found {
			w.violate("I4: %s: replica %d serves %s: %v, want none", what, number, cluster, serves[cluster])
		}
	}
}

// checkKept is I2: what was served, and is there whatever a replica has seen by now, is
// still served.
func (w *world) checkKept(what string, past before) {
	for number, r := range w.replicas {
		meshes, few := w.facts.meshes(number)
		if !few || r.agent.loop.State() == nil {
			continue
		}
		stays := keysOf(past.serves[number])
		for _, one := range meshes {
			there := keysOf(one.wanted())
			maps.DeleteFunc(stays, func(at key, _ bool) bool {
				return !there[at] || contestedPorts(at.cluster, meshes) || w.mayBeClosed(at.cluster)
			})
		}
		serves := keysOf(w.gateways[number].serves())
		for at := range stays {
			if !serves[at] {
				w.violate("I2: %s: replica %d took %s of %q from %s, and nobody withdrew it", what, number, at.address, at.member, at.cluster)
			}
		}
	}
}

// checkOthers is I5: what others offer is the same, down to the pointer.
func (w *world) checkOthers(what string, past before, changed model.MemberName) {
	for number, r := range w.replicas {
		state := r.agent.loop.State()
		if state == nil || r.isolated {
			continue
		}
		for name, shard := range state.Shards {
			if name != changed && !sameOffers(past.offers[number][name], shard.Services) {
				w.violate("I5: %s: what %s offers is another for replica %d", what, name, number)
			}
		}
	}
}

// sameOffers reports whether both are the same, down to the pointer.
func sameOffers(a, b model.Offers) bool {
	for one := range a.All() {
		if b.Get(one.Key) != one {
			return false
		}
	}
	return a.Len() == b.Len()
}

// checkIncumbents wants whoever had his way to have it while he exports.
func (w *world) checkIncumbents(what string, past before) {
	for number, r := range w.replicas {
		for service, before := range past.incumbents[number] {
			now := r.order(service, nil)
			if state := r.agent.loop.State(); state != nil {
				if one := state.View.Services.Get(model.ServiceKey{Namespace: namespace, Name: service}); one != nil {
					now = one.Exporters
				}
			}
			if slices.Contains(now, before) && now[0] != before {
				w.violate("%s: %s had its way with %s for replica %d, now %s has", what, before, service, number, now[0])
			}
		}
	}
}
