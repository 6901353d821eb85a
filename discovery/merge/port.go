package merge

import (
	"cmp"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// mergePorts returns the union of all ports, in the order of those who brought
// them, and for each export the names of its own that are in it. A port is
// compared by name first (none is a name, too), then by protocol and number; a
// later one that clashes in either loses. What it speaks (appProtocol) is no
// clash: the older one's word holds.
func mergePorts(exports []export) (union []model.Port, won []map[string]struct{}) {
	won = make([]map[string]struct{}, len(exports))
	for i, one := range exports {
		won[i] = make(map[string]struct{}, len(one.offer.Ports))
		for _, port := range uniquePorts(one.offer.Ports) {
			at := slices.IndexFunc(union, func(known model.Port) bool {
				return known.Name == port.Name || samePlace(known, port)
			})
			if at < 0 {
				union = append(union, port)
				won[i][port.Name] = struct{}{}
				continue
			}
			if union[at].Name == port.Name && samePlace(union[at], port) {
				won[i][port.Name] = struct{}{}
			}
		}
	}
	return union, won
}

func samePlace(a, b model.Port) bool { return a.Protocol == b.Protocol && a.Number == b.Number }

// uniquePorts keeps the first port of each name. A Service cannot have two, but
// what a member says need not be a valid Service.
func uniquePorts(ports []model.Port) []model.Port {
	for i := range ports {
		if namedIn(ports[:i], ports[i].Name) {
			kept := slices.Clone(ports[:i])
			for _, port := range ports[i+1:] {
				if !namedIn(kept, port.Name) {
					kept = append(kept, port)
				}
			}
			return kept
		}
	}
	return ports
}

func namedIn(ports []model.Port, name string) bool {
	return slices.ContainsFunc(ports, func(port model.Port) bool { return port.Name == name })
}

// samePorts compares sets of ports.
func samePorts(a, b []model.Port) bool {
	return slices.Equal(sortedPorts(a), sortedPorts(b))
}

func sortedPorts(ports []model.Port) []model.Port {
	sorted := slices.Clone(uniquePorts(ports))
	slices.SortFunc(sorted, func(a, b model.Port) int { return cmp.Compare(a.Name, b.Name) })
	return sorted
}
