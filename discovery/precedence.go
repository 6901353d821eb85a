package discovery

import (
	"maps"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/merge"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// settling is how long a fresh name may change hands: clusters that begin to export it
// at about the same time are seen in any order, and all agents shall come to the same.
const settling = 10 * time.Second

// precedence knows, of every service, whose values hold where exporters differ: once
// somebody has his way he keeps it while he exports, whatever the others claim.
type precedence struct {
	own model.MemberName
	// incumbents are by service; after a restart those of before.
	incumbents map[model.ServiceKey]model.MemberName
	// fresh are names that nobody had recorded when they were first seen, with that
	// time: until they have settled KEP-1645 decides anew with every exporter.
	fresh map[model.ServiceKey]time.Time
	view  *model.View
}

// before says whose values hold for services that are about to be merged. It must be
// told of all services that changed.
func (p *precedence) before(shards map[model.MemberName]*model.Shard, changed map[model.ServiceKey]struct{}, now time.Time) map[model.ServiceKey]model.MemberName {
	if p.incumbents == nil {
		p.incumbents = map[model.ServiceKey]model.MemberName{}
	}
	if p.fresh == nil {
		p.fresh = map[model.ServiceKey]time.Time{}
	}
	maps.DeleteFunc(p.fresh, func(_ model.ServiceKey, since time.Time) bool { return now.Sub(since) >= settling })
	if p.view == nil {
		for _, shard := range shards {
			for offer := range shard.Services.All() {
				changed[offer.Key] = struct{}{}
			}
		}
	}
	for key := range changed {
		p.decide(key, shards, now)
	}
	return p.incumbents
}

func (p *precedence) decide(key model.ServiceKey, shards map[model.MemberName]*model.Shard, now time.Time) {
	known := p.incumbents[key]
	if _, fresh := p.fresh[key]; fresh {
		delete(p.incumbents, key) // records count as little: whoever wrote one was in a hurry
		return
	}
	if one := merge.Incumbent(key, shards, p.own, known); one != "" {
		p.incumbents[key] = one
		return
	}
	delete(p.incumbents, key)
	if known == "" && p.view != nil {
		p.fresh[key] = now
	}
}

// unsettled are the names that have not settled.
func (p *precedence) unsettled() map[model.ServiceKey]time.Time { return maps.Clone(p.fresh) }

// nextSettling is when the next name has settled; false where all have.
func (p *precedence) nextSettling() (time.Time, bool) {
	var next time.Time
	for _, since := range p.fresh {
		if at := since.Add(settling); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, !next.IsZero()
}

// after notes who had his way.
func (p *precedence) after(view *model.View, changed map[model.ServiceKey]struct{}) {
	if p.view == nil || !sameMap(p.view.Members, view.Members) {
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
				delete(p.fresh, key)
			}
		}
	}
	p.view = view
}

// contested are the incumbents of services with several exporters, which are the only
// ones that matter after a restart, but for names that have not settled.
func contested(view *model.View, unsettled map[model.ServiceKey]time.Time) map[model.ServiceKey]model.MemberName {
	out := map[model.ServiceKey]model.MemberName{}
	for service := range view.Services.All() {
		if _, fresh := unsettled[service.Key]; !fresh && len(service.Exporters) > 1 {
			out[service.Key] = service.Exporters[0]
		}
	}
	return out
}
