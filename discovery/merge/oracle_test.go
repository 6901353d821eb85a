package merge

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestMergeIsWhatTheRulesSay follows random meshes through exports, withdrawals, members
// that join and leave, and records of incumbents, and wants of every service what the
// rules say, taken word by word from KEP-1645 with no thought for cost.
func TestMergeIsWhatTheRulesSay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(15) {
		m := newMesh(seed)
		var view *model.View
		for step := range 60 {
			view = Merge(view, Input{Shards: m.shards, Incumbents: m.incumbents}, m.step())
			for n := range 5 {
				key := model.ServiceKey{Namespace: "ns", Name: fmt.Sprintf("s%d", n)}
				want := said(key, m.offers(key), m.incumbents[key])
				diff := gocmp.Diff(want, view.Services.Get(key), append(comparing(), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(model.Conflict{}, "Message"))...)
				if diff != "" {
					t.Fatalf("seed %d, step %d, %s (-rules +merge):\n%s", seed, step, key, diff)
				}
			}
		}
	}
}

// offers are those of a service, in any order.
func (m *mesh) offers(key model.ServiceKey) map[model.MemberName]*model.Offer {
	all := map[model.MemberName]*model.Offer{}
	for name, shard := range m.shards {
		if offer := shard.Services.Get(key); offer != nil && shard.Member.State != model.Leaving {
			all[name] = offer
		}
	}
	return all
}

// said is what the rules make of offers.
func said(key model.ServiceKey, offers map[model.MemberName]*model.Offer, incumbent model.MemberName) *model.Service {
	if len(offers) == 0 {
		return nil
	}
	order := precedenceOf(offers, incumbent)
	first := offers[order[0]]
	out := &model.Service{Key: key, Type: first.Type, Traits: first.Traits, Exporters: order}
	out.Traits.Families = familiesSaid(order, offers)
	wins := map[model.MemberName][]string{}
	for _, name := range order {
		for i, port := range offers[name].Ports {
			if slices.ContainsFunc(offers[name].Ports[:i], func(before model.Port) bool { return before.Name == port.Name }) {
				continue // a Service has no two ports of one name
			}
			clash := -1
			for at, known := range out.Ports {
				if clash < 0 && (known.Name == port.Name || known.Number == port.Number && known.Protocol == port.Protocol) {
					clash = at
				}
			}
			switch {
			case clash < 0:
				out.Ports = append(out.Ports, port)
				wins[name] = append(wins[name], port.Name)
			case out.Ports[clash].Name == port.Name && out.Ports[clash].Number == port.Number && out.Ports[clash].Protocol == port.Protocol:
				wins[name] = append(wins[name], port.Name)
			}
		}
	}
	for _, name := range slices.Sorted(slices.Values(order)) {
		if _, usable := model.Usable(offers[name].Slices); !usable || len(wins[name]) == 0 && len(offers[name].Ports) > 0 {
			continue
		}
		backend := model.Backend{Member: name, Share: offers[name].Share, Slices: offers[name].Slices}
		for _, port := range out.Ports {
			if slices.Contains(wins[name], port.Name) {
				backend.Ports = append(backend.Ports, port.Name)
			}
		}
		out.Backends = append(out.Backends, backend)
	}
	out.Conflicts = conflictsSaid(key, order, offers)
	return out
}

// precedenceOf finds the next one again and again: the incumbent, else the oldest, and
// of those of one age the first by name.
func precedenceOf(offers map[model.MemberName]*model.Offer, incumbent model.MemberName) []model.MemberName {
	var order []model.MemberName
	for len(order) < len(offers) {
		var next model.MemberName
		for name, offer := range offers {
			if slices.Contains(order, name) {
				continue
			}
			best := offers[next]
			switch {
			case next == "" || name == incumbent:
				next = name
			case next == incumbent:
			case offer.Exported.Before(best.Exported) || offer.Exported.Equal(best.Exported) && name < next:
				next = name
			}
		}
		order = append(order, next)
	}
	return order
}

// familiesSaid are the first exporter's that all others have, but for those who have
// none of them.
func familiesSaid(order []model.MemberName, offers map[model.MemberName]*model.Offer) []model.Family {
	kept := offers[order[0]].Traits.Families
	for _, name := range order[1:] {
		var both []model.Family
		for _, one := range kept {
			if slices.Contains(offers[name].Traits.Families, one) {
				both = append(both, one)
			}
		}
		if len(both) > 0 {
			kept = both
		}
	}
	return kept
}

// conflictsSaid compares everybody with the first in every field.
func conflictsSaid(key model.ServiceKey, order []model.MemberName, offers map[model.MemberName]*model.Offer) []model.Conflict {
	fields := []struct {
		reason model.ConflictReason
		value  func(*model.Offer) any
	}{
		{model.PortConflict, func(o *model.Offer) any {
			ports := map[string]model.Port{}
			for _, port := range o.Ports {
				if _, twice := ports[port.Name]; !twice {
					ports[port.Name] = port
				}
			}
			return ports
		}},
		{model.TypeConflict, func(o *model.Offer) any { return o.Type }},
		{model.IPFamilyConflict, func(o *model.Offer) any {
			return [2]bool{slices.Contains(o.Traits.Families, model.IPv4), slices.Contains(o.Traits.Families, model.IPv6)}
		}},
		{model.SessionAffinityConflict, func(o *model.Offer) any { return o.Traits.ClientIP }},
		{model.SessionAffinityConfigConflict, func(o *model.Offer) any { return o.Traits.AffinitySeconds }},
		{model.InternalTrafficPolicyConflict, func(o *model.Offer) any { return o.Traits.InternalTrafficPolicy == "Local" }},
		{model.TrafficDistributionConflict, func(o *model.Offer) any { return o.Traits.TrafficDistribution }},
		{model.PreferenceConflict, func(o *model.Offer) any { return o.Traits.Prefer }},
		{model.LabelsConflict, func(o *model.Offer) any { return o.Traits.Labels }},
		{model.AnnotationsConflict, func(o *model.Offer) any { return o.Traits.Annotations }},
	}
	var found []model.Conflict
	lost := func(reason model.ConflictReason, differs func(*model.Offer) bool) {
		var losers []model.MemberName
		for _, name := range order[1:] {
			if differs(offers[name]) {
				losers = append(losers, name)
			}
		}
		if slices.Sort(losers); len(losers) > 0 {
			found = append(found, model.Conflict{Service: key, Reason: reason, Winner: order[0], Losers: losers})
		}
	}
	for _, field := range fields {
		first := field.value(offers[order[0]])
		lost(field.reason, func(o *model.Offer) bool { return !reflect.DeepEqual(first, field.value(o)) })
	}
	lost(model.IncumbentConflict, func(o *model.Offer) bool {
		return o.Incumbent != order[0] && offers[o.Incumbent] != nil
	})
	return found
}

// anyTraits are random, and often alike.
func anyTraits(r *rand.Rand) model.Traits {
	families := [][]model.Family{nil, {model.IPv4}, {model.IPv6}, {model.IPv4, model.IPv6}, {model.IPv6, model.IPv4}}
	out := model.Traits{Families: families[r.IntN(len(families))]}
	if r.IntN(3) == 0 {
		out.ClientIP, out.AffinitySeconds = true, int32(1+r.IntN(2))
	}
	if r.IntN(4) == 0 {
		out.InternalTrafficPolicy = []string{"Local", "Cluster"}[r.IntN(2)]
	}
	if r.IntN(4) == 0 {
		out.TrafficDistribution = "PreferClose"
	}
	if r.IntN(4) == 0 {
		out.Prefer = "own,region"
	}
	if r.IntN(4) == 0 {
		out.Labels = map[string]string{"a": fmt.Sprint(r.IntN(2))}
	}
	if r.IntN(4) == 0 {
		out.Annotations = map[string]string{"b": fmt.Sprint(r.IntN(2))}
	}
	return out
}
