package merge

import (
	"cmp"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Quotas bound one service, where somebody set them: 0 is no bound. What is over one
// is left out and counted.
type Quotas struct {
	// Exporters is how many members' exports count, by precedence.
	Exporters int
	// Ports is how many ports it has, by precedence.
	Ports int
	// Endpoints is how many endpoints of use it has, shared out evenly among its members.
	Endpoints int
}

// cutExports leaves out the exports of the least precedence.
func (q Quotas) cutExports(exports []export) (kept []export, out []model.MemberName) {
	if q.Exporters == 0 || len(exports) <= q.Exporters {
		return exports, nil
	}
	for _, one := range exports[q.Exporters:] {
		out = append(out, one.member)
	}
	slices.Sort(out)
	return exports[:q.Exporters], out
}

// cutPorts leaves out the last ports, also of what each export has won.
func (q Quotas) cutPorts(ports []model.Port, won []map[string]struct{}) (kept []model.Port, out int) {
	if q.Ports == 0 || len(ports) <= q.Ports {
		return ports, 0
	}
	for _, port := range ports[q.Ports:] {
		for _, names := range won {
			delete(names, port.Name)
		}
	}
	return ports[:q.Ports], len(ports) - q.Ports
}

// cutEndpoints leaves out endpoints. Every member keeps as many as any other, or all
// it has where that is less; it is its first ones, so that most stay the same when
// some come and go.
func (q Quotas) cutEndpoints(backends []model.Backend) (out int) {
	if q.Endpoints == 0 {
		return 0
	}
	order := make([]*model.Backend, len(backends))
	for i := range backends {
		order[i] = &backends[i]
	}
	slices.SortFunc(order, func(a, b *model.Backend) int {
		return cmp.Or(cmp.Compare(count(a.Slices), count(b.Slices)), cmp.Compare(a.Member, b.Member))
	})
	left := q.Endpoints
	for i, backend := range order {
		has := count(backend.Slices)
		share := min(has, left/(len(order)-i))
		if left -= share; share < has {
			backend.Slices, out = firstOf(backend.Slices, share), out+has-share
		}
	}
	return out
}

// count is how many endpoints are of use.
func count(all []*model.Slice) int {
	health, _ := model.Usable(all)
	total := 0
	for _, slice := range all {
		for at := range slice.Endpoints.Len() {
			if slice.Endpoints.Health(at) == health {
				total++
			}
		}
	}
	return total
}

// firstOf are slices with the first most endpoints of use alone. The originals stay as
// they are.
func firstOf(all []*model.Slice, most int) []*model.Slice {
	health, _ := model.Usable(all)
	var kept []*model.Slice
	for _, slice := range all {
		part := *slice
		part.Endpoints, part.Hostnames = model.Endpoints{}, nil
		for i, endpoint := range slice.Endpoints.All() {
			if endpoint.Health != health || most == 0 {
				continue
			}
			most--
			part.Endpoints.Append(endpoint)
			if slice.Hostnames != nil {
				part.Hostnames = append(part.Hostnames, slice.Hostnames[i])
			}
		}
		if part.Endpoints.Len() > 0 {
			kept = append(kept, &part)
		}
	}
	return kept
}
