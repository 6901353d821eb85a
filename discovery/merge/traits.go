package merge

import (
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// mergeTraits are the leader's, but for the families.
func mergeTraits(exports []export) model.Traits {
	traits := exports[0].offer.Traits
	traits.Families = mergeFamilies(exports)
	return traits
}

// mergeFamilies keeps the leader's families that the others have too, in its order.
// Who has none in common is left out of that: the others can be reached.
func mergeFamilies(exports []export) []model.Family {
	common := exports[0].offer.Traits.Families
	for _, one := range exports[1:] {
		var both []model.Family
		for _, family := range common {
			if slices.Contains(one.offer.Traits.Families, family) {
				both = append(both, family)
			}
		}
		if len(both) > 0 {
			common = both
		}
	}
	return common
}

// sameFamilies compares sets of families: which of them is preferred is each
// cluster's own matter.
func sameFamilies(a, b []model.Family) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(f model.Family) bool { return !slices.Contains(b, f) })
}
