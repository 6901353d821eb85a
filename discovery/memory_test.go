package discovery

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/snapshot"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

var cart = model.ServiceKey{Namespace: "shop", Name: "cart"}

// shardOf is what a member offers: one service.
func shardOf(name model.MemberName, state model.State, gateways ...model.HostPort) *model.Shard {
	return &model.Shard{
		Member:   &model.Member{Name: name, ID: model.ClusterID(name), Network: model.NetworkID(name), UID: "uid-" + string(name), State: state, Gateways: gateways},
		Services: model.OffersOf(&model.Offer{Key: cart}),
	}
}

func TestWhatIsRecalled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		record v1alpha1.MemberRecord
		want   bool
	}{
		"the same cluster":                   {v1alpha1.MemberRecord{Name: "west", ClusterID: "west", UID: "uid-west"}, true},
		"nothing is pinned":                  {v1alpha1.MemberRecord{Name: "west", ClusterID: "west"}, true},
		"another cluster under its name":     {v1alpha1.MemberRecord{Name: "west", ClusterID: "west", UID: "uid-2"}, false},
		"another cluster ID":                 {v1alpha1.MemberRecord{Name: "west", ClusterID: "other", UID: "uid-west"}, false},
		"a member that may not offer now":    {v1alpha1.MemberRecord{Name: "west", UID: "uid-west", Role: "import"}, false},
		"a member that nobody has heard of":  {v1alpha1.MemberRecord{Name: "north"}, false},
		"a member of which nothing is known": {v1alpha1.MemberRecord{Name: "south"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory(snapshot.Shards{"west": shardOf("west", model.Ready)}, watch.NewInbox())
			shard := m.recall(tc.record)
			if (shard != nil) != tc.want || m.remembers("west") != tc.want {
				t.Errorf("got %v, remembers %v", shard, m.remembers("west"))
			}
			if m.recall(tc.record) != nil {
				t.Error("it was recalled twice: a member that left and came back has a past that is gone")
			}
		})
	}
}

// TestARememberedMemberKeepsItsGateways until it was listed: then what it says holds.
func TestARememberedMemberKeepsItsGateways(t *testing.T) {
	t.Parallel()
	last := model.HostPort{Host: "192.0.2.1", Port: 15443}
	inbox := watch.NewInbox()
	m := newMemory(snapshot.Shards{"west": shardOf("west", model.Ready, last)}, inbox)
	m.recall(v1alpha1.MemberRecord{Name: "west"})
	for _, step := range []struct {
		offered *model.Shard
		want    []model.HostPort
		from    bool
	}{
		{shardOf("west", model.Joining), []model.HostPort{last}, true},
		{shardOf("west", model.Degraded), []model.HostPort{last}, true},
		{shardOf("west", model.Joining, model.HostPort{Host: "192.0.2.2"}), []model.HostPort{{Host: "192.0.2.2"}}, true},
		{shardOf("west", model.Ready), nil, false},
		{shardOf("west", model.Degraded), nil, false},
	} {
		m.Offer(step.offered, nil)
		got := inbox.Take()["west"].Shard
		if diff := cmp.Diff(step.want, got.Member.Gateways); diff != "" || m.remembers("west") != step.from {
			t.Errorf("%s: remembers %v (-want +got)\n%s", step.offered.Member.State, m.remembers("west"), diff)
		}
	}
	m.Offer(shardOf("north", model.Joining), nil)
	m.Leave("west")
	if taken := inbox.Take(); !taken["west"].Left || taken["north"].Shard == nil {
		t.Errorf("got %+v", taken)
	}
}
