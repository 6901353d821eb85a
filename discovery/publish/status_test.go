package publish_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

func TestProxies(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Endpoints, "a", "absent")
	s.Take(xdsclient.Endpoints)
	s.Subscribe(xdsclient.Clusters)
	s.Next(xdsclient.Clusters)
	s.Quiet()
	wanted := []publish.Proxy{{
		Node: "gateway-0", Member: east, Identity: identity(east),
		Subscriptions: []publish.Subscription{
			{Type: "ClusterLoadAssignment", Names: 2, Held: 1},
			{Type: "Cluster", Wildcard: true, Held: 2, Pending: true},
		},
	}}
	got := r.Proxies()
	// The first one is of the barrier, whose end may not have arrived yet.
	got[0].Subscriptions = got[0].Subscriptions[1:]
	versions := cmpopts.IgnoreFields(publish.Subscription{}, "Sent", "Acked")
	if diff := cmp.Diff(wanted, got, versions, cmpopts.IgnoreFields(publish.Proxy{}, "Address", "Connected")); diff != "" {
		t.Error(diff)
	}
	if time.Since(got[0].Connected) > time.Minute || got[0].Address == "" {
		t.Errorf("connected %s from %q", got[0].Connected, got[0].Address)
	}
	if assigned := find(t, got[0], "ClusterLoadAssignment"); assigned.Sent == "" || assigned.Sent != assigned.Acked {
		t.Errorf("versions %+v, want both alike", assigned)
	}
	if clusters := find(t, got[0], "Cluster"); clusters.Sent == "" || clusters.Acked != "" {
		t.Errorf("versions %+v, want sent and not acknowledged", clusters)
	}
	s.Close()
}

func TestDump(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Endpoints, "a", "absent")
	s.Take(xdsclient.Endpoints)
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Quiet()
	dumped := r.Dump(east)
	if diff := cmp.Diff([]string{"ClusterLoadAssignment a", "Cluster a", "Listener a"}, names(dumped)); diff != "" {
		t.Error(diff)
	}
	var shown struct {
		Config struct {
			ClusterName string `json:"clusterName"`
		} `json:"config"`
	}
	text, err := json.Marshal(dumped[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &shown); err != nil || shown.Config.ClusterName != "a" {
		t.Errorf("shown as %s", text)
	}
	ofProxy, found := r.DumpProxy("gateway-0")
	if !found {
		t.Fatal("the gateway is not found")
	}
	ofProxy = slices.DeleteFunc(ofProxy, func(one publish.Resource) bool { return one.Type == "Secret" })
	if diff := cmp.Diff([]string{"ClusterLoadAssignment a", "ClusterLoadAssignment absent", "Cluster a"}, names(ofProxy)); diff != "" {
		t.Error(diff)
	}
	if ofProxy[0].Held != ofProxy[0].Version || ofProxy[1].Held != "" || ofProxy[1].Version != "" {
		t.Errorf("versions %+v", ofProxy[:2])
	}
	if _, found := r.DumpProxy("nobody"); found {
		t.Error("a proxy that is not there was dumped")
	}
	if none := r.Dump("nobody"); len(none) != 0 {
		t.Errorf("%v", none)
	}
}

func names(resources []publish.Resource) []string {
	var all []string
	for _, one := range resources {
		all = append(all, one.Type+" "+one.Name)
	}
	return all
}
