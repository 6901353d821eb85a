package derived

import (
	"maps"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// held are the claims to ports of the gateway that count: one for each port. Whoever had
// a port before keeps it as long as it claims it. Claims are read from Services, and
// those of one namespace may be edited by people who must not reach into another.
func held(claims, before map[model.PortKey]uint16) map[model.PortKey]uint16 {
	owner := map[uint16]model.PortKey{}
	sorted := slices.SortedFunc(maps.Keys(claims), model.PortKey.Compare)
	for _, key := range sorted {
		if before[key] == claims[key] {
			owner[claims[key]] = key
		}
	}
	out := make(map[model.PortKey]uint16, len(claims))
	for _, key := range sorted {
		if _, taken := owner[claims[key]]; !taken {
			owner[claims[key]] = key
		}
		if owner[claims[key]] == key {
			out[key] = claims[key]
		}
	}
	return out
}
