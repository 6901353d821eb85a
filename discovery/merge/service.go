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
func (in *Input) mergeService(key model.ServiceKey) *model.Service {
	exports := exportsOf(key, in.Shards, in.Incumbents[key])
	if len(exports) == 0 {
		return nil
	}
	var cut model.Cut
	exports, cut.Exporters = in.Quotas.cutExports(exports)
	ports, won := mergePorts(exports)
	ports, cut.Ports = in.Quotas.cutPorts(ports, won)
	service := &model.Service{
		Key:       key,
		Type:      exports[0].offer.Type,
		Traits:    mergeTraits(exports),
		Ports:     ports,
		Exporters: make([]model.MemberName, len(exports)),
		Offers:    make([]*model.Offer, len(exports)),
		Conflicts: conflicts(key, exports, ports),
	}
	for i, one := range exports {
		service.Exporters[i], service.Offers[i] = one.member, one.offer
		if backend, usable := backendOf(one, ports, won[i]); usable {
			service.Backends = append(service.Backends, backend)
		}
	}
	slices.SortFunc(service.Backends, func(a, b model.Backend) int { return cmp.Compare(a.Member, b.Member) })
	cut.Endpoints = in.Quotas.cutEndpoints(service.Backends)
	service.Backends = slices.DeleteFunc(service.Backends, func(b model.Backend) bool { return len(b.Slices) == 0 })
	service.Cut = cut
	return service
}

// exportsOf lists the offers of a service by precedence: the incumbent, then the
// oldest export, then the member's name.
func exportsOf(key model.ServiceKey, shards map[model.MemberName]*model.Shard, incumbent model.MemberName) []export {
	var exports []export
	for name, shard := range shards {
		if offer := shard.Services.Get(key); offer != nil {
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
	backend := model.Backend{Member: one.member, Share: one.offer.Share, Slices: one.offer.Slices}
	for _, port := range ports {
		if _, serves := won[port.Name]; serves {
			backend.Ports = append(backend.Ports, port.Name)
		}
	}
	// Headless services may have no ports at all, and still have endpoints.
	return backend, len(backend.Ports) > 0 || len(one.offer.Ports) == 0
}
