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
			Member:   &model.Member{Name: name, State: model.Ready},
			Services: model.OffersOf(&model.Offer{Key: cart, Exported: time.Unix(one.seconds, 0), Incumbent: one.records}),
		}
	}
	return shards
}

// leads merges, and returns who has his way.
func (p *precedence) leads(e exporters, now time.Time) model.MemberName {
	shards, changed := e.shards(), map[model.ServiceKey]struct{}{cart: {}}
	incumbents := p.before(shards, changed, now)
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
	now := time.Unix(0, 0)
	for _, step := range steps {
		now = now.Add(settling)
		if got := p.leads(step.e, now); got != step.want {
			t.Errorf("%s: %q leads, want %q", step.what, got, step.want)
		}
	}
}

func TestARestartForgetsNobody(t *testing.T) {
	t.Parallel()
	now := exporters{"west": {200, "west"}, "evil": {1, "evil"}}
	before := &precedence{own: "east"}
	before.leads(exporters{"west": {200, ""}}, time.Unix(0, 0))
	before.leads(now, time.Unix(0, 0))
	after := &precedence{own: "east", incumbents: contested(before.view, before.unsettled())}
	if got := after.leads(now, time.Unix(0, 0)); got != "west" {
		t.Errorf("%q leads after a restart", got)
	}
	if got := (&precedence{own: "west"}).leads(now, time.Unix(0, 0)); got != "west" {
		t.Errorf("%q leads where only the own record is left", got)
	}
}

// TestAFreshNameSettles: members that begin to export a name at about the same time are
// ordered by KEP-1645, in whatever order they are seen, and what one of them records in
// a hurry counts as little. Then whoever leads stays.
func TestAFreshNameSettles(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	p := &precedence{own: "east", view: &model.View{}}
	for _, step := range []struct {
		what  string
		e     exporters
		after time.Duration
		want  model.MemberName
		fresh bool
	}{
		{"one is seen first", exporters{"west": {200, ""}}, 0, "west", true},
		{"the older one is seen next, and the first has recorded itself", exporters{"west": {200, "west"}, "north": {199, ""}}, time.Second, "north", true},
		{"it has settled", exporters{"west": {200, ""}, "north": {199, ""}}, settling, "north", false},
		{"a still older one comes late", exporters{"west": {200, ""}, "north": {199, ""}, "evil": {1, "evil"}}, settling + time.Second, "north", false},
		{"nobody is left", exporters{}, settling + 2*time.Second, "", false},
		{"the name is there again, recorded by others", exporters{"west": {200, "west"}, "evil": {1, ""}}, settling + 3*time.Second, "west", false},
	} {
		if got := p.leads(step.e, start.Add(step.after)); got != step.want {
			t.Errorf("%s: %q leads, want %q", step.what, got, step.want)
		}
		_, fresh := p.unsettled()[cart]
		if _, due := p.nextSettling(); fresh != step.fresh || due != step.fresh {
			t.Errorf("%s: unsettled %v, due %v", step.what, fresh, due)
		}
	}
}

// TestAFreshNameAfterARestart settles like any other, also where incumbents were
// remembered.
func TestAFreshNameAfterARestart(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	p := &precedence{own: "east", incumbents: map[model.ServiceKey]model.MemberName{{Namespace: "shop", Name: "web"}: "west"}, view: &model.View{}}
	if got := p.leads(exporters{"west": {200, ""}}, now); got != "west" {
		t.Errorf("%q leads", got)
	}
	if got := p.leads(exporters{"west": {200, ""}, "north": {199, ""}}, now.Add(time.Second)); got != "north" {
		t.Errorf("%q leads before the name has settled", got)
	}
}
