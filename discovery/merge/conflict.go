package merge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// conflicts lists what the exporters disagree on, one value per reason, in the
// order in which the MCS API's reference implementations report them. Any
// difference between sets of ports counts, even where the union has room for all.
func conflicts(key model.ServiceKey, exports []export, ports []model.Port) []model.Conflict {
	leader := exports[0]
	var found []model.Conflict
	add := func(reason model.ConflictReason, field, value string, agrees func(*model.Offer) bool) {
		var losers []model.MemberName
		for _, one := range exports[1:] {
			if !agrees(one.offer) {
				losers = append(losers, one.member)
			}
		}
		if len(losers) == 0 {
			return
		}
		slices.Sort(losers)
		found = append(found, model.Conflict{
			Service: key, Reason: reason, Winner: leader.member, Losers: losers,
			Message: fmt.Sprintf("%s: %d/%d members differ from %s; in force: %s", field, len(losers), len(exports), leader.member, value),
		})
	}
	add(model.PortConflict, "ports", portList(ports), func(offer *model.Offer) bool {
		return samePorts(leader.offer.Ports, offer.Ports)
	})
	add(model.TypeConflict, "type", leader.offer.Type.String(), func(offer *model.Offer) bool {
		return offer.Type == leader.offer.Type
	})
	return found
}

func portList(ports []model.Port) string {
	words := make([]string, len(ports))
	for i, port := range ports {
		words[i] = strings.TrimSpace(fmt.Sprintf("%s %d/%s", port.Name, port.Number, port.Protocol))
	}
	return strings.Join(words, ", ")
}
