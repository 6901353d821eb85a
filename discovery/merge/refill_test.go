package merge

import (
	"slices"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestOlderThanBefore has an export become older than another, which random changes
// seldom hit: with an incumbent in front it decides on the order of the others.
func TestOlderThanBefore(t *testing.T) {
	t.Parallel()
	key := model.ServiceKey{Namespace: "ns", Name: "s"}
	shards := map[model.MemberName]*model.Shard{}
	for i, name := range []model.MemberName{"a", "b", "c"} {
		offer := benchOffer(key, byte(i), 0)
		shards[name] = &model.Shard{Member: &model.Member{Name: name}, Services: model.OffersOf(offer)}
	}
	in := Input{Shards: shards, Incumbents: map[model.ServiceKey]model.MemberName{key: "c"}}
	view := Merge(nil, in, nil)
	older := *shards["b"].Services.Get(key)
	older.Exported = time.Unix(-1, 0)
	shards["b"].Services = model.OffersOf(&older)
	view = Merge(view, in, []model.ServiceKey{key})
	if got, want := view.Services.Get(key).Exporters, []model.MemberName{"c", "b", "a"}; !slices.Equal(got, want) {
		t.Errorf("exporters are %v, want %v", got, want)
	}
}
