package watch

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Reasons of problems.
const (
	ProblemNamespaceDenied = "NamespaceDenied"
	ProblemNamespace       = "NamespaceDefault"
	ProblemNoService       = "NoService"
	ProblemNoPorts         = "NoPorts"
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
	// published are those within the limits. The map was handed on: it is replaced,
	// never changed.
	published map[model.ServiceKey]*model.Offer
	problems  map[model.ServiceKey]Problem
	// isCut is true where the limits left something out.
	isCut bool
	// gatewayProblem is why no address of the gateway is offered.
	gatewayProblem *Problem
}

func newOffers(limits Limits, last *model.Shard) offers {
	o := offers{
		limits: limits, candidates: map[model.ServiceKey]*model.Offer{},
		published: map[model.ServiceKey]*model.Offer{}, problems: map[model.ServiceKey]Problem{},
	}
	if last != nil {
		o.candidates, o.published = maps.Clone(last.Services), last.Services
		for _, one := range last.Services {
			o.endpoints += sizeOf(one.Slices)
		}
	}
	if o.candidates == nil {
		o.candidates, o.published = map[model.ServiceKey]*model.Offer{}, map[model.ServiceKey]*model.Offer{}
	}
	return o
}

func (o *offers) anythingLocked() bool { return len(o.published) > 0 }

// touchAllLocked marks everything that the table or the offers have.
func (o *offers) touchAllLocked(s *session) {
	for key := range s.table.services {
		s.table.dirty[key] = struct{}{}
	}
	for key := range s.table.exports {
		s.table.dirty[key] = struct{}{}
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
	changed := slices.SortedFunc(maps.Keys(o.published), model.ServiceKey.Compare)
	if len(changed) > 0 {
		o.candidates, o.endpoints = map[model.ServiceKey]*model.Offer{}, 0
		o.published = map[model.ServiceKey]*model.Offer{}
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

// publishLocked puts the candidates within the limits in place of what was
// published. As long as all of them are, its cost is one copy of the map.
func (o *offers) publishLocked(changed []model.ServiceKey) []model.ServiceKey {
	last, wasCut := o.published, o.isCut
	o.isCut = len(o.candidates) > o.limits.Services || o.endpoints > o.limits.Endpoints
	if o.isCut || wasCut {
		o.published = cut(o.candidates, o.limits, last)
		return difference(last, o.published)
	}
	next := maps.Clone(last)
	for _, key := range changed {
		if one := o.candidates[key]; one != nil {
			next[key] = one
		} else {
			delete(next, key)
		}
	}
	o.published = next
	return changed
}

// difference lists, in order, the services whose offer is another one.
func difference(last, next map[model.ServiceKey]*model.Offer) []model.ServiceKey {
	var changed []model.ServiceKey
	for key, one := range next {
		if last[key] != one {
			changed = append(changed, key)
		}
	}
	for key := range last {
		if next[key] == nil {
			changed = append(changed, key)
		}
	}
	slices.SortFunc(changed, model.ServiceKey.Compare)
	return changed
}

// cut takes offers in the order of their names until a limit is reached. Of the
// last one only as many endpoints as there is room for. Last is what was published
// before, of which equal offers are kept.
func cut(candidates map[model.ServiceKey]*model.Offer, limits Limits, last map[model.ServiceKey]*model.Offer) map[model.ServiceKey]*model.Offer {
	kept := map[model.ServiceKey]*model.Offer{}
	room := limits.Endpoints
	for _, key := range slices.SortedFunc(maps.Keys(candidates), model.ServiceKey.Compare) {
		if len(kept) == limits.Services {
			break
		}
		one := candidates[key]
		if size := sizeOf(one.Slices); size <= room {
			room -= size
		} else {
			one = shorten(one, room)
			room = 0
		}
		if before := last[key]; before != nil && sameOffer(before, one) {
			one = before
		}
		kept[key] = one
	}
	return kept
}

// shorten keeps the first endpoints of an offer.
func shorten(from *model.Offer, room int) *model.Offer {
	out := *from
	out.Slices = nil
	for _, one := range from.Slices {
		if room == 0 {
			break
		}
		if len(one.Endpoints) > room {
			short := *one
			short.Endpoints = one.Endpoints[:room:room]
			one = &short
		}
		room -= len(one.Endpoints)
		out.Slices = append(out.Slices, one)
	}
	return &out
}

// overLocked is what is wrong with the member itself: its limits and its gateway.
func (o *offers) overLocked(t *table) []Problem {
	var over []Problem
	if extra := len(o.candidates) - o.limits.Services; extra > 0 {
		over = append(over, Problem{Reason: ProblemServices, Message: fmt.Sprintf(
			"%d services are exported, %d more than the limit; the last ones by name are left out", len(o.candidates), extra)})
	}
	if extra := o.endpoints - o.limits.Endpoints; extra > 0 {
		over = append(over, Problem{Reason: ProblemEndpoints, Message: fmt.Sprintf(
			"%d endpoints are exported, %d more than the limit; those of the last services by name are left out", o.endpoints, extra)})
	}
	if t.refused {
		over = append(over, Problem{Reason: ProblemBytes, Message: fmt.Sprintf(
			"objects were refused: they need more than %d bytes; services that are not exported went first", o.limits.Bytes)})
	}
	if o.gatewayProblem != nil {
		over = append(over, *o.gatewayProblem)
	}
	return over
}

// offer is what a member offers under a name, nil where nothing, and what is
// wrong with it. Parts that are equal to the last offer's are the last offer's.
func offer(s *session, key model.ServiceKey, last *model.Offer) (*model.Offer, *Problem) {
	t := s.table
	exported, byObject := t.exports[key]
	if !byObject && !s.policy.exported(key) {
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
	case service == nil && byObject:
		return withheld(ProblemNoService, "it is exported, but there is no Service of that name that could be")
	case service == nil:
		return nil, nil
	}
	if !byObject {
		exported = service.created
	}
	next := &model.Offer{Key: key, Type: service.kind, Exported: exported, Ports: service.ports, Slices: t.endpoints[key]}
	return reuse(s, next, last), warning(key, service)
}

// warning is what is wrong with a service that is offered all the same.
func warning(key model.ServiceKey, service *service) *Problem {
	switch {
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
		if found && last.Slices[at] != one && sameSlice(last.Slices[at], one) {
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
	return a.Type == b.Type && a.Exported.Equal(b.Exported) && slices.Equal(a.Ports, b.Ports) &&
		slices.EqualFunc(a.Slices, b.Slices, sameSlice)
}

// lossLocked counts the published endpoints that a new list would take away, and
// all of them.
func (o *offers) lossLocked(s *session, index int, list map[objectID]object) (lost, before int) {
	after := map[model.ServiceKey]int{}
	if index == ofSlices {
		for _, one := range list {
			if one.slice != nil {
				after[one.key] += len(one.slice.Endpoints)
			}
		}
	}
	for key, one := range o.published {
		count := sizeOf(one.Slices)
		before += count
		_, found := list[objectID{key.Namespace, key.Name}]
		switch index {
		case ofServices:
			if !found {
				lost += count
			}
		case ofExports:
			if !found && !s.policy.exported(key) {
				lost += count
			}
		case ofSlices:
			lost += max(0, count-after[key])
		}
	}
	return lost, before
}

// gatewaysLocked are the addresses that peers dial. An address that cannot be the
// member's withholds all of them: traffic for the member would go to somebody else.
func (o *offers) gatewaysLocked(s *session) []model.HostPort {
	o.gatewayProblem = nil
	if len(s.policy.advertised) > 0 {
		return s.policy.advertised
	}
	if s.table.gateway == nil {
		return nil
	}
	for _, address := range s.table.gateway.addresses {
		if reason := foreign(address.Host, s.policy.gateways); reason != "" {
			o.gatewayProblem = &Problem{Reason: ProblemGateway, Withheld: true, Message: fmt.Sprintf("gateway address %.80q %s", address.Host, reason)}
			return nil
		}
	}
	return s.table.gateway.addresses
}

// foreign is why an address cannot be taken for a gateway's.
func foreign(host string, declared []netip.Prefix) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && unusable(ip):
		return "cannot be one of another cluster"
	case err == nil && !within(declared, ip):
		return "is not in the gateway CIDRs of the member's record"
	case err == nil:
		return ""
	case len(declared) > 0:
		return "is a name, which the gateway CIDRs of the member's record do not cover; advertise it in the record"
	case len(validation.IsDNS1123Subdomain(host)) > 0 || !strings.Contains(host, "."):
		return "is not a DNS name of a public form"
	}
	for _, own := range []string{".localhost", ".local", ".svc", ".localdomain"} {
		if strings.HasSuffix(host, own) {
			return "is a name that means something else in every cluster"
		}
	}
	return ""
}

func sameMember(a, b *model.Member) bool {
	return a.Name == b.Name && a.ID == b.ID && a.Network == b.Network && a.Region == b.Region && a.UID == b.UID &&
		a.Identity == b.Identity && a.State == b.State && a.Demoted == b.Demoted && slices.Equal(a.Gateways, b.Gateways)
}
