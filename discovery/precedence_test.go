package discovery

import (
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/merge"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// exporters are who exports the cart, with when they say they began, and whom they
// recorded.
type exporters map[model.MemberName]struct {
	seconds int64
	records model.MemberName
}

func (e exporters) shards() map[model.MemberName]*model.Shard {
	shards := map[model.MemberName]*model.Shard{}
	for name, one := range e {
		shards[name] = &model.Shard{
			Member: &model.Member{Name: name, State: model.Ready},
			Services: map[model.ServiceKey]*model.Offer{
				cart: {Key: cart, Exported: time.Unix(one.seconds, 0), Incumbent: one.records},
			},
		}
	}
	return shards
}

// leads merges, and returns who has his way.
func (p *precedence) leads(e exporters) model.MemberName {
	shards, changed := e.shards(), map[model.ServiceKey]struct{}{cart: {}}
	incumbents := p.before(shards, changed)
	view := merge.Merge(p.view, merge.Input{Shards: shards, Incumbents: incumbents}, []model.ServiceKey{cart})
	p.after(view, changed)
	if service := view.Services.Get(cart); service != nil {
		return service.Exporters[0]
	}
	return ""
}

func TestWhoeverWasThereFirstStays(t *testing.T) {
	t.Parallel()
	steps := []struct {
		what string
		e    exporters
		want model.MemberName
	}{
		{"the only one", exporters{"west": {200, ""}}, "west"},
		{"another one, with a forged time and record", exporters{"west": {200, "west"}, "evil": {1, "evil"}}, "west"},
		{"the first one leaves", exporters{"evil": {1, "evil"}, "north": {300, ""}}, "evil"},
		{"and comes back", exporters{"west": {200, "west"}, "evil": {1, "evil"}, "north": {300, "west"}}, "evil"},
		{"nobody", exporters{}, ""},
		{"a fresh name: what was has no say", exporters{"west": {200, ""}, "evil": {300, ""}}, "west"},
	}
	p := &precedence{own: "east"}
	for _, step := range steps {
		if got := p.leads(step.e); got != step.want {
			t.Errorf("%s: %q leads, want %q", step.what, got, step.want)
		}
	}
}

func TestARestartForgetsNobody(t *testing.T) {
	t.Parallel()
	now := exporters{"west": {200, "west"}, "evil": {1, "evil"}}
	before := &precedence{own: "east"}
	before.leads(exporters{"west": {200, ""}})
	before.leads(now)
	after := &precedence{own: "east", incumbents: contested(before.view)}
	if got := after.leads(now); got != "west" {
		t.Errorf("%q leads after a restart", got)
	}
	if got := (&precedence{own: "west"}).leads(now); got != "west" {
		t.Errorf("%q leads where only the own record is left", got)
	}
}
