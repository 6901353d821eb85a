package watch

import (
	"fmt"
	"maps"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// publishLocked puts the candidates within the limits in place of what was
// published. As long as all of them are, its cost is that of the changes.
func (o *offers) publishLocked(changed []model.ServiceKey) []model.ServiceKey {
	last, wasCut := o.published, o.isCut
	o.isCut = len(o.candidates) > o.limits.Services || o.endpoints > o.limits.Endpoints
	if o.isCut || wasCut {
		o.published = cut(o.candidates, o.limits, &last)
		return difference(&last, &o.published)
	}
	different := make(map[model.ServiceKey]*model.Offer, len(changed))
	for _, key := range changed {
		different[key] = o.candidates[key]
	}
	o.published = last.With(different)
	return changed
}

// difference lists, in order, the services whose offer is another one.
func difference(last, next *model.Offers) []model.ServiceKey {
	var changed []model.ServiceKey
	for one := range next.All() {
		if last.Get(one.Key) != one {
			changed = append(changed, one.Key)
		}
	}
	for one := range last.All() {
		if next.Get(one.Key) == nil {
			changed = append(changed, one.Key)
		}
	}
	slices.SortFunc(changed, model.ServiceKey.Compare)
	return changed
}

// cut takes offers in the order of their names until a limit is reached. Of the
// last one only as many endpoints as there is room for. Last is what was published
// before, of which equal offers are kept.
func cut(candidates map[model.ServiceKey]*model.Offer, limits Limits, last *model.Offers) model.Offers {
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
		if before := last.Get(key); before != nil && sameOffer(before, one) {
			one = before
		}
		kept[key] = one
	}
	return model.Offers{}.With(kept)
}

// shorten keeps the first endpoints of an offer.
func shorten(from *model.Offer, room int) *model.Offer {
	out := *from
	out.Slices = nil
	for _, one := range from.Slices {
		if room == 0 {
			break
		}
		if one.Endpoints.Len() > room {
			short := *one
			short.Endpoints = one.Endpoints.First(room)
			one = &short
		}
		room -= one.Endpoints.Len()
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
