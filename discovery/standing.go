package discovery

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/member"
	"github.com/eastwest-mesh/eastwest/discovery/metrics"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/status"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
	"github.com/eastwest-mesh/eastwest/internal/identity"
)

// standing is how one member stands, from its record to its watch.
type standing struct {
	name model.MemberName
	own  bool
	// record, origin and expires are of the record in use; watched is false where
	// there is none.
	record  v1alpha1.MemberRecord
	origin  string
	expires time.Time
	watched bool
	// records are those that are not in use.
	records []member.Problem
	watch.Status
}

// standings are those of all members, by name, and of names that only have records
// which are not in use; false before the records have been read.
func (m *members) standings() ([]standing, bool) {
	select {
	case <-m.source.Synced():
	default:
		return nil, false
	}
	m.mu.Lock()
	clusters, joined, problems := maps.Clone(m.clusters), maps.Clone(m.joined), m.problems
	m.mu.Unlock()
	byName := map[model.MemberName]*standing{}
	for name, cluster := range clusters {
		// Outside of the lock: the loop must not wait until all have been counted.
		one := &standing{name: name, watched: true, Status: cluster.Status()}
		if one.own = name == model.MemberName(m.own.Name); one.own {
			one.record, one.origin = m.own, "the agent's configuration"
		} else {
			one.record, one.origin, one.expires = joined[name].Record, joined[name].Origin, joined[name].Expires
		}
		byName[name] = one
	}
	for _, problem := range problems {
		if identity.CheckName(string(problem.Member)) != nil {
			continue // nothing can be called so; the log has it
		}
		if byName[problem.Member] == nil {
			byName[problem.Member] = &standing{name: problem.Member}
		}
		byName[problem.Member].records = append(byName[problem.Member].records, problem)
	}
	all := make([]standing, 0, len(byName))
	for _, one := range byName {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b standing) int { return cmp.Compare(a.name, b.name) })
	return all, true
}

// shown is a standing as objects and people see it. State is nil before there is
// a view.
func (s *standing) shown(state *State) status.Member {
	out := status.Member{
		Name: s.name, Own: s.own, ClusterID: s.record.ClusterID, Network: s.record.Network, Region: s.record.Region,
		Watched: s.watched, State: s.State, Faults: shownFaults(s.Faults), Pending: shownFaults(s.Pending),
		Services: s.Counts.OfferedServices, Endpoints: s.Counts.OfferedEndpoints, LastEvent: s.LastEvent, Expires: s.expires,
	}
	for _, one := range s.records {
		out.Records = append(out.Records, status.Problem{About: one.Origin, Reason: one.Reason, Message: one.Message})
	}
	for _, one := range s.Problems {
		about := ""
		if one.Service != (model.ServiceKey{}) {
			about = one.Service.String()
		}
		out.Exports = append(out.Exports, status.Problem{About: about, Reason: one.Reason, Message: one.Message})
	}
	if state == nil {
		return out
	}
	for _, one := range state.Problems {
		service := state.View.Services.Get(one.Service)
		switch {
		case one.Member == s.name && one.Service == (model.ServiceKey{}):
			out.Links = append(out.Links, status.Problem{Reason: string(one.Reason), Message: one.Message})
		case service != nil && slices.Contains(service.Exporters, s.name):
			out.Exports = append(out.Exports, status.Problem{About: one.Service.String(), Reason: string(one.Reason), Message: one.Message})
		}
	}
	if seen := state.View.Members[s.name]; seen != nil {
		out.Demoted = seen.Demoted
		for _, gateway := range seen.Gateways {
			out.Gateways = append(out.Gateways, gateway.String())
		}
	}
	return out
}

func shownFaults(faults []watch.Fault) []status.Fault {
	var out []status.Fault
	for _, one := range faults {
		out = append(out, status.Fault{Resource: one.Resource, Reason: string(one.Reason), Message: one.Message, Since: one.Since})
	}
	return out
}

// counted is a standing as monitoring sees it.
func (s *standing) counted() metrics.Member {
	out := metrics.Member{
		Name: s.name, State: s.State, Services: s.Counts.OfferedServices, Endpoints: s.Counts.OfferedEndpoints,
		Objects: map[string]int{"services": s.Counts.Services, "endpointslices": s.Counts.Slices, "serviceexports": s.Counts.Exports},
		Bytes:   s.Counts.Bytes, Events: s.Counts.Events, Swaps: s.Swaps, LastEvent: s.LastEvent, Expires: s.expires,
		Faults: map[string]int{}, Problems: map[string]int{}, Dropped: s.Counts.Dropped, Reopened: s.Counts.Reopened,
	}
	for _, one := range s.Faults {
		out.Faults[string(one.Reason)]++
	}
	for _, one := range s.Problems {
		out.Problems[one.Reason]++
	}
	return out
}

// shown is a standing with what connecting to its gateways found out.
func (a *Agent) shown(one *standing, state *State) status.Member {
	out := one.shown(state)
	if result, known := a.prober.Result(one.name); known {
		out.Link = &status.Link{OK: result.OK, Hop: string(result.Hop), Message: result.Message, RTT: result.RTT}
	}
	out.Feature = a.feature(one, state)
	if result, known := a.addresses.Result(one.name); known {
		out.Addresses = &status.Addresses{Problem: result.Problem, Restored: result.Last}
	}
	return out
}

// statuses are what the objects of all members are made from.
func (a *Agent) statuses() ([]status.Member, bool) {
	all, known := a.members.standings()
	state := a.loop.State()
	out := make([]status.Member, len(all))
	for i := range all {
		out[i] = a.shown(&all[i], state)
	}
	return out, known
}

// counts are what monitoring asks for.
func (a *Agent) counts() metrics.Facts {
	facts := metrics.Facts{Leader: a.writes.Load() && a.tenure.holds(), Records: map[string]int{}}
	all, _ := a.members.standings()
	for i := range all {
		for _, one := range all[i].records {
			facts.Records[one.Reason]++
		}
		if all[i].watched {
			one := all[i].counted()
			one.Link, one.Addresses = a.counted(one.Name), a.countedAddresses(one.Name)
			facts.Members = append(facts.Members, one)
		}
	}
	if state := a.loop.State(); state != nil {
		facts.Untranslated = byReason(state.Problems)
		facts.View = metrics.View{Services: state.View.Services.Len(), Endpoints: endpointsOf(state.View), Complete: state.Complete}
	}
	if a.publisher != nil {
		x := a.publisher.Stats()
		facts.XDS = &metrics.XDS{
			Streams: x.Streams, Unacked: x.Unacked, Opened: x.Opened, Rejected: x.Rejected, Responses: x.Responses,
			Resources: x.Resources, Removed: x.Removed, Bytes: x.Bytes, Acks: x.Acks, Nacks: x.Nacks, StaleNonces: x.StaleNonces,
		}
	}
	if a.answers != nil {
		facts.DNS = a.answers.counted()
	}
	if a.keeper != nil {
		s := a.keeper.Stats()
		facts.Snapshot = &metrics.Snapshot{Writes: s.Writes, Failures: s.Failures, Bytes: s.Bytes, Written: s.Written}
	}
	return facts
}

func byReason(problems []translate.Problem) map[string]int {
	counts := map[string]int{}
	for _, one := range problems {
		counts[string(one.Reason)]++
	}
	return counts
}

func endpointsOf(view *model.View) int {
	count := 0
	for service := range view.Services.All() {
		for i := range service.Backends {
			for _, slice := range service.Backends[i].Slices {
				count += slice.Endpoints.Len()
			}
		}
	}
	return count
}
