package discovery

import (
	"maps"

	"github.com/eastwest-mesh/eastwest/discovery/merge"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// precedence knows, of every service, whose values hold where exporters differ: once
// somebody has his way he keeps it while he exports, whatever the others claim.
type precedence struct {
	own model.MemberName
	// incumbents are by service; after a restart those of before.
	incumbents map[model.ServiceKey]model.MemberName
	view       *model.View
}

// before says whose values hold for services that are about to be merged. It must be
// told of all services that changed.
func (p *precedence) before(shards map[model.MemberName]*model.Shard, changed map[model.ServiceKey]struct{}) map[model.ServiceKey]model.MemberName {
	if p.incumbents == nil {
		p.incumbents = map[model.ServiceKey]model.MemberName{}
	}
	decide := func(key model.ServiceKey) {
		if one := merge.Incumbent(key, shards, p.own, p.incumbents[key]); one != "" {
			p.incumbents[key] = one
		} else {
			delete(p.incumbents, key)
		}
	}
	if p.view == nil {
		for _, shard := range shards {
			for key := range shard.Services {
				changed[key] = struct{}{}
			}
		}
	}
	for key := range changed {
		decide(key)
	}
	return p.incumbents
}

// after notes who had his way.
func (p *precedence) after(view *model.View, changed map[model.ServiceKey]struct{}) {
	if p.view == nil || !maps.Equal(p.view.Members, view.Members) {
		// Whoever left may have been anybody's incumbent.
		p.incumbents = map[model.ServiceKey]model.MemberName{}
		for service := range view.Services.All() {
			p.incumbents[service.Key] = service.Exporters[0]
		}
	} else {
		for key := range changed {
			if service := view.Services.Get(key); service != nil {
				p.incumbents[key] = service.Exporters[0]
			} else {
				delete(p.incumbents, key)
			}
		}
	}
	p.view = view
}

// contested are the incumbents of services with several exporters, which are the only
// ones that matter after a restart.
func contested(view *model.View) map[model.ServiceKey]model.MemberName {
	out := map[model.ServiceKey]model.MemberName{}
	for service := range view.Services.All() {
		if len(service.Exporters) > 1 {
			out[service.Key] = service.Exporters[0]
		}
	}
	return out
}
