package merge

import (
	"cmp"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// export is one member's offer of a service.
type export struct {
	member model.MemberName
	offer  *model.Offer
}

// mergeService merges the offers of one service; nil where nobody exports it.
func mergeService(key model.ServiceKey, shards map[model.MemberName]*model.Shard, incumbent model.MemberName) *model.Service {
	exports := exportsOf(key, shards, incumbent)
	if len(exports) == 0 {
		return nil
	}
	ports, won := mergePorts(exports)
	service := &model.Service{
		Key:       key,
		Type:      exports[0].offer.Type,
		Traits:    mergeTraits(exports),
		Ports:     ports,
		Exporters: make([]model.MemberName, len(exports)),
		Conflicts: conflicts(key, exports, ports),
	}
	for i, one := range exports {
		service.Exporters[i] = one.member
		if backend, usable := backendOf(one, ports, won[i]); usable {
			service.Backends = append(service.Backends, backend)
		}
	}
	slices.SortFunc(service.Backends, func(a, b model.Backend) int { return cmp.Compare(a.Member, b.Member) })
	return service
}

// exportsOf lists the offers of a service by precedence: the incumbent, then the
// oldest export, then the member's name.
func exportsOf(key model.ServiceKey, shards map[model.MemberName]*model.Shard, incumbent model.MemberName) []export {
	var exports []export
	for name, shard := range shards {
		if offer, exported := shard.Services[key]; exported {
			exports = append(exports, export{member: name, offer: offer})
		}
	}
	slices.SortFunc(exports, func(a, b export) int {
		if (a.member == incumbent) != (b.member == incumbent) {
			if a.member == incumbent {
				return -1
			}
			return 1
		}
		return cmp.Or(a.offer.Exported.Compare(b.offer.Exported), cmp.Compare(a.member, b.member))
	})
	return exports
}

// backendOf is what a member contributes; it is false where that is nothing: no
// endpoint is of use, or all its ports lost. The losing ports are left out, since
// whoever joins ports by name would send traffic to the wrong one.
func backendOf(one export, ports []model.Port, won map[string]struct{}) (model.Backend, bool) {
	if _, usable := model.Usable(one.offer.Slices); !usable {
		return model.Backend{}, false
	}
	backend := model.Backend{Member: one.member, Slices: one.offer.Slices}
	for _, port := range ports {
		if _, serves := won[port.Name]; serves {
			backend.Ports = append(backend.Ports, port.Name)
		}
	}
	// Headless services may have no ports at all, and still have endpoints.
	return backend, len(backend.Ports) > 0 || len(one.offer.Ports) == 0
}
