package watch

import (
	"fmt"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Reasons of problems.
const (
	ProblemNamespaceDenied = "NamespaceDenied"
	ProblemNamespace       = "NamespaceDefault"
	ProblemNoService       = "NoService"
	ProblemServiceType     = "InvalidServiceType"
	ProblemNoPorts         = "NoPorts"
	ProblemExport          = "InvalidExport"
	ProblemManyPorts       = "ManyPorts"
	ProblemServices        = "TooManyServices"
	ProblemEndpoints       = "TooManyEndpoints"
	ProblemBytes           = "TooManyObjects"
	ProblemGateway         = "GatewayDenied"
	ProblemRole            = "RoleImportOnly"
)

// maxProblems bounds how many services have their problem remembered.
const maxProblems = 1000

// Problem is something wrong with what a member exports. It stops nothing else.
type Problem struct {
	// Service is the one in question; empty where it is the member itself.
	Service model.ServiceKey
	Reason  string
	Message string
	// Withheld is true where the service is not offered because of it.
	Withheld bool
}

// offers is what is made of a session's table. It is guarded by the mutex of the
// Cluster.
type offers struct {
	limits Limits
	// candidates are all valid offers, and their endpoints counted.
	candidates map[model.ServiceKey]*model.Offer
	endpoints  int
	// published are those within the limits.
	published model.Offers
	problems  map[model.ServiceKey]Problem
	// isCut is true where the limits left something out.
	isCut bool
	// gatewayProblem is why no address of the gateway is offered.
	gatewayProblem *Problem
}

func newOffers(limits Limits, last *model.Shard) offers {
	o := offers{
		limits: limits, candidates: map[model.ServiceKey]*model.Offer{}, problems: map[model.ServiceKey]Problem{},
	}
	if last != nil {
		o.published = last.Services
		for one := range last.Services.All() {
			o.candidates[one.Key] = one
			o.endpoints += sizeOf(one.Slices)
		}
	}
	return o
}

func (o *offers) anythingLocked() bool { return o.published.Len() > 0 }

// touchAllLocked marks everything that the table or the offers have.
func (o *offers) touchAllLocked(s *session) {
	for key := range s.table.services {
		s.table.dirty[key] = struct{}{}
	}
	for _, exports := range []map[model.ServiceKey]*export{s.table.exports, s.table.gkeExports} {
		for key := range exports {
			s.table.dirty[key] = struct{}{}
		}
	}
	for key := range o.candidates {
		s.table.dirty[key] = struct{}{}
	}
	for key := range o.problems {
		s.table.dirty[key] = struct{}{}
	}
}

// dropAllLocked withdraws everything.
func (o *offers) dropAllLocked() []model.ServiceKey {
	var changed []model.ServiceKey
	for one := range o.published.All() {
		changed = append(changed, one.Key)
	}
	slices.SortFunc(changed, model.ServiceKey.Compare)
	if len(changed) > 0 {
		o.candidates, o.endpoints = map[model.ServiceKey]*model.Offer{}, 0
		o.published = model.Offers{}
	}
	return changed
}

// buildLocked makes the offers of all services that changed, and returns those
// whose published offer differs.
func (o *offers) buildLocked(s *session) []model.ServiceKey {
	t := s.table
	if !s.offered {
		// The first offers may differ from those of before in any service.
		s.offered = true
		o.touchAllLocked(s)
	}
	if len(t.dirty) == 0 {
		return nil
	}
	var changed []model.ServiceKey
	for key := range t.dirty {
		last := o.candidates[key]
		next, wrong := offer(s, key, last)
		o.noteLocked(key, wrong)
		if next == last {
			continue
		}
		changed = append(changed, key)
		if last != nil {
			o.endpoints -= sizeOf(last.Slices)
			delete(o.candidates, key)
		}
		if next != nil {
			o.endpoints += sizeOf(next.Slices)
			o.candidates[key] = next
		}
	}
	clear(t.dirty)
	if len(changed) == 0 {
		return nil
	}
	slices.SortFunc(changed, model.ServiceKey.Compare)
	return o.publishLocked(changed)
}

func (o *offers) noteLocked(key model.ServiceKey, wrong *Problem) {
	if wrong == nil {
		delete(o.problems, key)
	} else if _, found := o.problems[key]; found || len(o.problems) < maxProblems {
		o.problems[key] = *wrong
	}
}

// offer is what a member offers under a name, nil where nothing, and what is
// wrong with it. Parts that are equal to the last offer's are the last offer's.
func offer(s *session, key model.ServiceKey, last *model.Offer) (*model.Offer, *Problem) {
	t := s.table
	by := t.export(key)
	if by == nil && !s.policy.exported(key) {
		return nil, nil
	}
	withheld := func(reason, message string) (*model.Offer, *Problem) {
		return nil, &Problem{Service: key, Reason: reason, Message: message, Withheld: true}
	}
	service := t.services[key]
	switch {
	case !s.policy.offers:
		return withheld(ProblemRole, "the member only imports")
	case s.policy.denies(key):
		return withheld(ProblemNamespaceDenied, "exports of this namespace are not taken from the member")
	case by == nil && (service == nil || service.external):
		return nil, nil
	case service == nil:
		return withheld(ProblemNoService, "it is exported, but there is no Service of that name")
	case service.external:
		return withheld(ProblemServiceType, "a Service of type ExternalName has no endpoints of its own to export")
	}
	next := &model.Offer{
		Key: key, Type: service.kind, Exported: service.created, Traits: service.traits,
		Ports: service.ports, Slices: t.endpoints[key],
	}
	if by != nil {
		next.By, next.Exported, next.Incumbent = by.in, by.created, by.incumbent
		next.Share = by.share
		next.Traits.Labels, next.Traits.Annotations, next.Traits.Prefer = by.labels, by.annotations, by.prefer
	}
	next.Traits.Prefer = next.Traits.Prefer.Or(s.policy.rule(key).prefer)
	return reuse(s, next, last), warning(key, service, by)
}

// warning is what is wrong with a service that is offered all the same.
func warning(key model.ServiceKey, service *service, by *export) *Problem {
	switch {
	case by != nil && by.flaw != "":
		return &Problem{Service: key, Reason: ProblemExport, Message: by.flaw}
	case len(service.ports) == 0 && service.kind == model.ClusterSetIP:
		return &Problem{Service: key, Reason: ProblemNoPorts, Message: "the Service has no ports"}
	case service.excess > 0:
		return &Problem{Service: key, Reason: ProblemManyPorts, Message: fmt.Sprintf("the Service has %d ports, more than %d", service.excess, manyPorts)}
	case key.Namespace == "default":
		return &Problem{Service: key, Reason: ProblemNamespace, Message: "services of namespace default are easily exported by mistake"}
	}
	return nil
}

// reuse returns the last offer where the next one is equal. Equal slices are
// shared with it in any case, also in the table, so that each is in memory once.
func reuse(s *session, next, last *model.Offer) *model.Offer {
	if last == nil {
		return next
	}
	shared := next.Slices
	for i, one := range next.Slices {
		at, found := find(last.Slices, one.Name)
		if found && last.Slices[at] != one && last.Slices[at].Equal(one) {
			if &shared[0] == &next.Slices[0] {
				shared = slices.Clone(next.Slices)
			}
			shared[i] = last.Slices[at]
		}
	}
	if len(shared) > 0 && &shared[0] != &next.Slices[0] {
		s.table.endpoints[next.Key] = shared
		next.Slices = shared
	}
	if sameOffer(last, next) {
		return last
	}
	return next
}

func sameOffer(a, b *model.Offer) bool {
	return a.Type == b.Type && a.By == b.By && a.Exported.Equal(b.Exported) && a.Incumbent == b.Incumbent && a.Share == b.Share && a.Traits.Equal(b.Traits) && slices.Equal(a.Ports, b.Ports) &&
		slices.EqualFunc(a.Slices, b.Slices, (*model.Slice).Equal)
}

// lossLocked counts the published endpoints that a new list would take away, and
// all of them.
func (o *offers) lossLocked(s *session, index int, list map[objectID]object) (lost, before int) {
	after := map[model.ServiceKey]int{}
	if index == ofSlices {
		for _, one := range list {
			if one.slice != nil {
				after[one.key] += one.slice.Endpoints.Len()
			}
		}
	}
	for one := range o.published.All() {
		key := one.Key
		count := sizeOf(one.Slices)
		before += count
		_, found := list[objectID{key.Namespace, key.Name}]
		switch index {
		case ofServices:
			if !found {
				lost += count
			}
		case ofExports, ofGKEExports:
			if !found && one.By == s.streams[index].dialect && !s.policy.exported(key) {
				lost += count
			}
		case ofSlices:
			lost += max(0, count-after[key])
		}
	}
	return lost, before
}

func sameMember(a, b *model.Member) bool {
	return a.Name == b.Name && a.ID == b.ID && a.Network == b.Network && a.Region == b.Region && a.UID == b.UID &&
		a.Identity == b.Identity && a.State == b.State && a.Demoted == b.Demoted && slices.Equal(a.Gateways, b.Gateways) &&
		slices.Equal(a.GatewayCIDRs, b.GatewayCIDRs)
}
