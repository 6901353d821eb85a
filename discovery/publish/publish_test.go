package publish_test

import (
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/eds"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

func TestColdStart(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	want(t, s.Take(xdsclient.Clusters), []string{"a", "b"})
	s.Subscribe(xdsclient.Endpoints, "a", "b")
	found := s.Take(xdsclient.Endpoints)
	want(t, found, []string{"a", "b"})
	got := &endpointv3.ClusterLoadAssignment{}
	xdsclient.Decode(t, found, "b", got)
	wanted, err := endpoints("b", 1).Message()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	s.Subscribe(xdsclient.Listeners)
	want(t, s.Take(xdsclient.Listeners), []string{"a", "b"})
	s.Subscribe(xdsclient.Routes)
	want(t, s.Take(xdsclient.Routes), nil)
	s.Quiet()
}

func TestNothingIsPushedWhereNothingDiffers(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	first := set("a", "b")
	r.publish(t, east, first)
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Subscribe(xdsclient.Endpoints, "a", "b")
	s.Take(xdsclient.Endpoints)
	before := r.Stats().Responses
	if pushed := r.publish(t, east, set("b", "a")); pushed != 0 {
		t.Errorf("%d pushes for an equal set in another order", pushed)
	}
	if pushed := r.publish(t, east, first); pushed != 0 {
		t.Errorf("%d pushes for the same messages", pushed)
	}
	if pushed := r.publishEndpoints(t, east, endpoints("a", 1)); pushed != 0 {
		t.Errorf("%d pushes for equal endpoints", pushed)
	}
	s.Quiet()
	// The barrier itself is one response.
	if sent := r.Stats().Responses - before; sent != 1 {
		t.Errorf("%d responses beside the barrier", sent-1)
	}
}

func TestEndpointsGoOutAlone(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	// The clusters stay without an answer, which must not hold up endpoints.
	s.Next(xdsclient.Clusters)
	s.Subscribe(xdsclient.Endpoints, "a")
	s.Take(xdsclient.Endpoints)
	s.Quiet()
	if pushed := r.publishEndpoints(t, east, endpoints("a", 2), endpoints("b", 2)); pushed != 1 {
		t.Errorf("%d pushes, want one", pushed)
	}
	want(t, s.Take(xdsclient.Endpoints), []string{"a"})
	if pushed := r.publishEndpoints(t, east, endpoints("b", 3)); pushed != 0 {
		t.Errorf("%d pushes for a name that nobody asked for", pushed)
	}
	s.Quiet()
}

func TestOnlyWhatDiffersGoesOut(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b", "c"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Quiet()
	next := set("b", "c", "d")
	next.Clusters[0].AltStatName = "other"
	if pushed := r.publish(t, east, next); pushed != 1 {
		t.Errorf("%d pushes, want one", pushed)
	}
	want(t, s.Take(xdsclient.Clusters), []string{"b", "d"}, "a")
	s.Quiet()
}

func TestMembersAreApart(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	r.publish(t, west, set("b"))
	s, other := r.connect(t, east), r.connect(t, west)
	s.Subscribe(xdsclient.Clusters)
	want(t, s.Take(xdsclient.Clusters), []string{"a"})
	other.Subscribe(xdsclient.Clusters)
	want(t, other.Take(xdsclient.Clusters), []string{"b"})
	s.Quiet()
	other.Quiet()
	if pushed := r.publish(t, west, set("b", "c")); pushed != 1 {
		t.Errorf("%d pushes, want one to the gateway of west", pushed)
	}
	other.Take(xdsclient.Clusters)
	s.Quiet()
}

// TestGatewaysKeepWhatTheyHaveUntilTheFirstPublish: an agent that has just started
// and knows nothing yet must not say that nothing is there.
func TestGatewaysKeepWhatTheyHaveUntilTheFirstPublish(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	s := r.connect(t, east)
	earlier := &xdsclient.Stream{Versions: map[string]map[string]string{xdsclient.Clusters: {"a": "old", "gone": "old"}}}
	s.Resume(xdsclient.Clusters, earlier)
	s.Subscribe(xdsclient.Endpoints, "a")
	s.Quiet()
	if pushed := r.publish(t, east, set("a")); pushed != 2 {
		t.Errorf("%d pushes, want endpoints and clusters", pushed)
	}
	s.Take(xdsclient.Endpoints)
	want(t, s.Take(xdsclient.Clusters), []string{"a"}, "gone")
}

// TestAPartIsForThoseWhoHaveNothing: before it is known what there is, whoever comes back
// must not be told that the rest is gone.
func TestAPartIsForThoseWhoHaveNothing(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	fresh, back := r.connect(t, east), r.connect(t, east)
	earlier := &xdsclient.Stream{Versions: map[string]map[string]string{xdsclient.Clusters: {"a": "old", "b": "old", "gone": "old"}}}
	back.Resume(xdsclient.Clusters, earlier)
	back.Subscribe(xdsclient.Endpoints, "a")
	fresh.Subscribe(xdsclient.Clusters)
	back.Quiet()
	fresh.Quiet()
	if pushed, err := r.PublishEarly(east, set("a")); err != nil || pushed != 1 {
		t.Errorf("%d pushes and %v, want one to whoever has nothing", pushed, err)
	}
	want(t, fresh.Take(xdsclient.Clusters), []string{"a"})
	back.Quiet()
	late := r.connect(t, east)
	late.Subscribe(xdsclient.Clusters)
	want(t, late.Take(xdsclient.Clusters), []string{"a"})
	if _, err := r.PublishEarly(east, set("a", "b")); err != nil {
		t.Error(err)
	}
	want(t, fresh.Take(xdsclient.Clusters), []string{"b"})
	late.Take(xdsclient.Clusters)
	r.publish(t, east, set("a", "b", "c"))
	want(t, fresh.Take(xdsclient.Clusters), []string{"c"})
	back.Take(xdsclient.Endpoints)
	want(t, back.Take(xdsclient.Clusters), []string{"a", "b", "c"}, "gone")
}

func TestWhatOthersReferToGoesFirst(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Listeners)
	s.Take(xdsclient.Listeners)
	s.Subscribe(xdsclient.Routes)
	s.Take(xdsclient.Routes)
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Subscribe(xdsclient.Endpoints, "a", "b")
	s.Take(xdsclient.Endpoints)
	s.Quiet()

	next := set("b")
	next.Routes = []*routev3.RouteConfiguration{route("b")}
	r.publish(t, east, next)
	s.Take(xdsclient.Endpoints)
	clusters := s.Next(xdsclient.Clusters)
	want(t, clusters, []string{"b"})
	want(t, s.Take(xdsclient.Listeners), []string{"b"}, "a")
	s.Take(xdsclient.Routes)
	s.Quiet()
	s.Ack(clusters)
	want(t, s.Take(xdsclient.Clusters), nil, "a")
	s.Quiet()
}

func TestListenersWaitForClustersThatAreToCome(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Listeners)
	s.Take(xdsclient.Listeners)
	s.Subscribe(xdsclient.Clusters)
	clusters := s.Next(xdsclient.Clusters)
	if pushed := r.publish(t, east, set("a", "b")); pushed != 0 {
		t.Errorf("%d pushes while the clusters are not acknowledged", pushed)
	}
	s.Quiet()
	s.Ack(clusters)
	want(t, s.Take(xdsclient.Clusters), []string{"b"})
	want(t, s.Take(xdsclient.Listeners), []string{"b"})
	s.Quiet()
}

func TestPublishRefusesContradictions(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	shared := cluster("b")
	shared.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{ServiceName: "a"}
	for name, tc := range map[string]struct {
		set  publish.Set
		want string
	}{
		"a cluster without endpoints": {publish.Set{Clusters: []*clusterv3.Cluster{cluster("a")}}, `no endpoints named "a"`},
		"clusters that share endpoints": {
			publish.Set{Clusters: []*clusterv3.Cluster{cluster("a"), shared}, Endpoints: []*eds.Assignment{endpoints("a", 1)}},
			`share the endpoints "a"`,
		},
		"a name twice": {
			publish.Set{Listeners: []*listenerv3.Listener{{Name: "a"}, {Name: "a"}}}, `Listener "a" is there twice`,
		},
		"no name":          {publish.Set{Listeners: []*listenerv3.Listener{{}}}, `Listener has the name ""`},
		"the wildcard":     {publish.Set{Listeners: []*listenerv3.Listener{{Name: "*"}}}, `Listener has the name "*"`},
		"text not in UTF8": {publish.Set{Listeners: []*listenerv3.Listener{{Name: "\xff"}}}, `encode Listener`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.Publish(east, tc.set); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := r.PublishEndpoints(east, []*eds.Assignment{{}}); err == nil {
		t.Error("endpoints without a name were published")
	}
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	want(t, s.Take(xdsclient.Clusters), []string{"a"})
}
