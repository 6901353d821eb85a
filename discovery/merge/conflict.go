package merge

import (
	"cmp"
	"fmt"
	"maps"
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
	own := leader.offer.Traits
	add(model.IPFamilyConflict, "families", familyList(mergeFamilies(exports)), func(offer *model.Offer) bool {
		return sameFamilies(offer.Traits.Families, own.Families)
	})
	add(model.SessionAffinityConflict, "sessionAffinity", affinity(own), func(offer *model.Offer) bool {
		return offer.Traits.ClientIP == own.ClientIP
	})
	add(model.SessionAffinityConfigConflict, "sessionAffinityConfig", fmt.Sprintf("%d s", own.AffinitySeconds), func(offer *model.Offer) bool {
		return offer.Traits.AffinitySeconds == own.AffinitySeconds
	})
	add(model.InternalTrafficPolicyConflict, "internalTrafficPolicy", internal(own), func(offer *model.Offer) bool {
		return internal(offer.Traits) == internal(own)
	})
	add(model.TrafficDistributionConflict, "trafficDistribution", cmp.Or(own.TrafficDistribution, "none"), func(offer *model.Offer) bool {
		return offer.Traits.TrafficDistribution == own.TrafficDistribution
	})
	add(model.PreferenceConflict, "preference", cmp.Or(string(own.Prefer), "none"), func(offer *model.Offer) bool {
		return offer.Traits.Prefer == own.Prefer
	})
	add(model.LabelsConflict, "exportedLabels", keyList(own.Labels), func(offer *model.Offer) bool {
		return maps.Equal(offer.Traits.Labels, own.Labels)
	})
	add(model.AnnotationsConflict, "exportedAnnotations", keyList(own.Annotations), func(offer *model.Offer) bool {
		return maps.Equal(offer.Traits.Annotations, own.Annotations)
	})
	add(model.IncumbentConflict, "recorded incumbent", string(leader.member), func(offer *model.Offer) bool {
		return offer.Incumbent == leader.member || !exporting(exports, offer.Incumbent)
	})
	return found
}

func portList(ports []model.Port) string {
	words := make([]string, len(ports))
	for i, port := range ports {
		words[i] = port.String()
	}
	return strings.Join(words, ", ")
}

func familyList(families []model.Family) string {
	words := make([]string, len(families))
	for i, family := range families {
		words[i] = string(family)
	}
	return cmp.Or(strings.Join(words, ", "), "none")
}

// affinity and internal are values as the API spells them.
func affinity(traits model.Traits) string {
	if traits.ClientIP {
		return "ClientIP"
	}
	return "None"
}

func internal(traits model.Traits) string { return cmp.Or(traits.InternalTrafficPolicy, "Cluster") }

// keyList names keys alone: values are the exporter's, and may be long.
func keyList(values map[string]string) string {
	return cmp.Or(strings.Join(slices.Sorted(maps.Keys(values)), ", "), "none")
}
