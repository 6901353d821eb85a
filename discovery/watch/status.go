package watch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Status is how a member stands, for people and for metrics.
type Status struct {
	Member model.MemberName
	UID    string
	State  model.State
	// Since is when the state began.
	Since time.Time
	// Faults are why it is not Ready.
	Faults []Fault
	// Pending are the faults of a credential or record that is not in use yet.
	Pending []Fault
	// Swaps counts how often one took the place of another.
	Swaps    int
	Problems []Problem
	Counts   Counts
	// LastEvent is when the member last said something about an object.
	LastEvent time.Time
	// ExportsByPolicyOnly is true where the member does not serve ServiceExports.
	ExportsByPolicyOnly bool
}

// Counts are numbers of objects.
type Counts struct {
	// Services, Slices and Exports are watched; Bytes is about what they take.
	Services, Slices, Exports, Bytes int
	// OfferedServices and OfferedEndpoints are what others see.
	OfferedServices, OfferedEndpoints int
	// Events counts changes since the start, Dropped what was not used, by reason.
	Events  int
	Dropped map[string]int
	// Reopened counts, by resource, watches that took the place of one that ended.
	Reopened map[string]int
}

// Status returns how the member stands now.
func (c *Cluster) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := Status{
		Member: c.name, UID: c.uid, State: c.state, Since: c.since, Swaps: c.swaps, LastEvent: c.lastEvent,
		Counts: Counts{OfferedServices: c.published.Len(), Events: c.events},
	}
	for one := range c.published.All() {
		status.Counts.OfferedEndpoints += sizeOf(one.Slices)
	}
	if c.next != nil {
		status.Pending = c.next.faultsLocked()
	}
	if c.current == nil {
		return status
	}
	t := c.current.table
	status.Problems = c.problemsLocked(t)
	status.Faults = c.current.faultsLocked()
	status.ExportsByPolicyOnly = c.current.streams[ofExports].absent && c.current.streams[ofGKEExports].absent
	status.Counts.Services, status.Counts.Slices, status.Counts.Exports = len(t.services), len(t.owners), len(t.exports)+len(t.gkeExports)
	status.Counts.Bytes, status.Counts.Dropped = t.bytes, maps.Clone(t.dropped)
	status.Counts.Reopened = map[string]int{}
	for i, count := range c.reopened {
		status.Counts.Reopened[c.current.streams[i].word] = count
	}
	return status
}

// Problems are what is wrong with what the member exports: those of its Status, without
// counting everything.
func (c *Cluster) Problems() []Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil
	}
	return c.problemsLocked(c.current.table)
}

func (o *offers) problemsLocked(t *table) []Problem {
	all := o.overLocked(t)
	for _, key := range slices.SortedFunc(maps.Keys(o.problems), model.ServiceKey.Compare) {
		all = append(all, o.problems[key])
	}
	return all
}

func (s *session) faultsLocked() []Fault {
	var all []Fault
	if s.fault != nil {
		all = append(all, *s.fault)
	}
	for _, one := range s.streams {
		if one.fault != nil {
			all = append(all, *one.fault)
		}
	}
	return all
}

// Explanation is what is known of one name, to answer why an endpoint is absent.
type Explanation struct {
	// Exported is true where there is a ServiceExport, ByPolicy where the agent's
	// configuration names the service.
	Exported, ByPolicy bool
	// Service is true where the member has a Service that could be exported.
	Service bool
	// Slices and Endpoints are watched, Offered are seen by others.
	Slices, Endpoints, Offered int
	// Serving, Draining and Unready are the Endpoints by health.
	Serving, Draining, Unready int
	// Problem is why the service is not offered, or a warning; nil where all is well.
	Problem *Problem
	// Drops are parts of its objects that are not used.
	Drops []Drop
}

// Explain returns what is known of one name.
func (c *Cluster) Explain(key model.ServiceKey) Explanation {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Explanation{}
	if one := c.published.Get(key); one != nil {
		out.Offered = sizeOf(one.Slices)
	}
	if wrong, found := c.problems[key]; found {
		out.Problem = &wrong
	}
	if c.current == nil {
		return out
	}
	t := c.current.table
	out.Exported = t.export(key) != nil
	out.ByPolicy = c.current.policy.exported(key)
	out.Service = t.services[key] != nil
	for _, one := range t.endpoints[key] {
		out.Slices++
		out.Endpoints += one.Endpoints.Len()
		for at := range one.Endpoints.Len() {
			switch one.Endpoints.Health(at) {
			case model.Serving:
				out.Serving++
			case model.Draining:
				out.Draining++
			default:
				out.Unready++
			}
		}
	}
	out.Drops = t.dropsOf(key)
	return out
}

// dropsOf lists what was dropped of the objects of a service: of the Service and
// the ServiceExport by name, of slices by the name that their controller gives.
func (t *table) dropsOf(key model.ServiceKey) []Drop {
	var all []Drop
	for id, drops := range t.drops {
		index, namespace := id.namespace[:1], id.namespace[1:]
		ofSlice := index == string(rune('0'+ofSlices)) && t.owners[objectID{namespace, id.name}] == key.Name
		if namespace == key.Namespace && (id.name == key.Name || ofSlice || strings.HasPrefix(id.name, key.Name+"-")) {
			all = append(all, drops...)
		}
	}
	slices.SortFunc(all, func(a, b Drop) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Detail, b.Detail))
	})
	return all
}
