package publish_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

func TestAbsentNamesAreAnswered(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Endpoints, "a", "later", "never")
	want(t, s.Take(xdsclient.Endpoints), []string{"a"}, "later", "never")
	s.Quiet()
	if pushed := r.publishEndpoints(t, east, endpoints("later", 1)); pushed != 1 {
		t.Errorf("%d pushes for a name that appears", pushed)
	}
	want(t, s.Take(xdsclient.Endpoints), []string{"later"})
	s.Quiet()
	// A whole set without it takes it away again, and tells that once.
	if pushed := r.publish(t, east, set("a")); pushed != 1 {
		t.Errorf("%d pushes for a name that goes", pushed)
	}
	want(t, s.Take(xdsclient.Endpoints), nil, "later")
	s.Quiet()
}

func TestNamesGivenBack(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Endpoints, "a", "b")
	s.Take(xdsclient.Endpoints)
	s.Unsubscribe(xdsclient.Endpoints, "a")
	s.Quiet()
	if pushed := r.publishEndpoints(t, east, endpoints("a", 2)); pushed != 0 {
		t.Errorf("%d pushes for a name that was given back", pushed)
	}
	s.Quiet()
	s.Subscribe(xdsclient.Endpoints, "a")
	want(t, s.Take(xdsclient.Endpoints), []string{"a"})
	// The client may have dropped it: a name that is asked for again is sent again.
	s.Subscribe(xdsclient.Endpoints, "b")
	want(t, s.Take(xdsclient.Endpoints), []string{"b"})
	s.Quiet()
}

func TestAWildcardBesideNames(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters, "a", "absent")
	want(t, s.Take(xdsclient.Clusters), []string{"a"}, "absent")
	s.Subscribe(xdsclient.Clusters, "*")
	want(t, s.Take(xdsclient.Clusters), []string{"b"})
	// Names given back under a wildcard are told once more, as the protocol has it.
	s.Unsubscribe(xdsclient.Clusters, "a", "absent")
	want(t, s.Take(xdsclient.Clusters), []string{"a"}, "absent")
	s.Quiet()
	s.Unsubscribe(xdsclient.Clusters, "*")
	s.Quiet()
	if pushed := r.publish(t, east, set("c")); pushed != 0 {
		t.Errorf("%d pushes to a stream that asks for nothing", pushed)
	}
	s.Quiet()
}

func TestResume(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b", "c"))
	earlier := r.connect(t, east)
	earlier.Subscribe(xdsclient.Clusters)
	earlier.Take(xdsclient.Clusters)
	earlier.Subscribe(xdsclient.Endpoints, "a", "b", "c")
	earlier.Take(xdsclient.Endpoints)
	earlier.Quiet()
	earlier.Close()

	// Another publisher is what is there after a restart: equal content has equal
	// versions in both.
	for name, tc := range map[string]struct {
		now                model.MemberName
		set                publish.Set
		clusters, assigned []string
		gone               []string
	}{
		"equal content sends nothing":  {now: east, set: set("a", "b", "c")},
		"only what differs is sent":    {now: east, set: changed(set("a", "b", "c")), clusters: []string{"a"}, assigned: []string{"b"}},
		"what has gone in between":     {now: east, set: set("a", "b"), gone: []string{"c"}},
		"what has come in between":     {now: east, set: set("a", "b", "c", "d"), clusters: []string{"d"}},
		"everything gone in between":   {now: east, set: publish.Set{}, gone: []string{"a", "b", "c"}},
		"another order sends nothing":  {now: east, set: set("c", "a", "b")},
		"one more of what it asks not": {now: east, set: set("a", "b", "c", "z"), clusters: []string{"z"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			again := start(t, nil)
			again.publish(t, tc.now, tc.set)
			s := again.connect(t, tc.now)
			s.Resume(xdsclient.Clusters, earlier)
			if len(tc.clusters)+len(tc.gone) > 0 {
				want(t, s.Take(xdsclient.Clusters), tc.clusters, tc.gone...)
			}
			s.Resume(xdsclient.Endpoints, earlier, "a", "b", "c")
			if len(tc.assigned)+len(tc.gone) > 0 {
				want(t, s.Take(xdsclient.Endpoints), tc.assigned, tc.gone...)
			}
			s.Quiet()
		})
	}
}

// changed has another cluster a and other endpoints of b.
func changed(s publish.Set) publish.Set {
	s.Clusters[0].AltStatName = "other"
	s.Endpoints[1] = endpoints("b", 2)
	return s
}

func TestChangesAreCollectedWhileAnAnswerIsUnderWay(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b"))
	slow, quick := r.connect(t, east), r.connect(t, east)
	for _, s := range []*xdsclient.Stream{slow, quick} {
		s.Subscribe(xdsclient.Endpoints, "a", "b")
		s.Take(xdsclient.Endpoints)
		s.Quiet()
	}
	if pushed := r.publishEndpoints(t, east, endpoints("a", 2)); pushed != 2 {
		t.Errorf("%d pushes, want one to each", pushed)
	}
	held := slow.Next(xdsclient.Endpoints)
	quick.Take(xdsclient.Endpoints)
	quick.Quiet()
	for count := 3; count <= 50; count++ {
		if pushed := r.publishEndpoints(t, east, endpoints("a", count)); pushed != 1 {
			t.Errorf("%d pushes, want one to the quick stream alone", pushed)
		}
		quick.Take(xdsclient.Endpoints)
		quick.Quiet()
	}
	r.publishEndpoints(t, east, endpoints("b", 2))
	r.publishEndpoints(t, east, endpoints("b", 1))
	slow.Quiet()
	slow.Ack(held)
	collected := slow.Take(xdsclient.Endpoints)
	want(t, collected, []string{"a"})
	got := &endpointv3.ClusterLoadAssignment{}
	xdsclient.Decode(t, collected, "a", got)
	if n := len(got.GetEndpoints()[0].GetLbEndpoints()); n != 50 {
		t.Errorf("%d endpoints, want the newest 50", n)
	}
	slow.Quiet()
}

func TestAnotherQuestionWhileAnAnswerIsUnderWay(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a", "b"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Endpoints, "a")
	first := s.Next(xdsclient.Endpoints)
	s.Subscribe(xdsclient.Endpoints, "b")
	s.Quiet()
	s.Ack(first)
	want(t, s.Take(xdsclient.Endpoints), []string{"b"})
	s.Quiet()
}

// TestAnyOrderOfEventsConverges plays random publications against a client that
// acknowledges when it likes, and asks that it ends with what was published.
func TestAnyOrderOfEventsConverges(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's dice
			r := start(t, nil)
			r.publish(t, east, publish.Set{})
			s := r.connect(t, east)
			s.Subscribe(xdsclient.Clusters)
			open := []*discoveryv3.DeltaDiscoveryResponse{s.Next(xdsclient.Clusters)}
			var last publish.Set
			for range 200 {
				if dice.IntN(3) == 0 && len(open) > 0 {
					s.Ack(open[0])
					open = following(s)
					continue
				}
				last = roll(dice)
				for range r.publish(t, east, last) {
					open = append(open, s.Next(xdsclient.Clusters))
				}
				if len(open) > 1 {
					t.Fatalf("%d answers under way at once", len(open))
				}
			}
			for len(open) == 1 {
				s.Ack(open[0])
				open = following(s)
			}
			fresh := r.connect(t, east)
			fresh.Subscribe(xdsclient.Clusters)
			fresh.Take(xdsclient.Clusters)
			if diff := cmp.Diff(fresh.Versions[xdsclient.Clusters], s.Versions[xdsclient.Clusters]); diff != "" {
				t.Errorf("a new stream and the old one differ (-new +old):\n%s", diff)
			}
			if len(fresh.Versions[xdsclient.Clusters]) != len(last.Clusters) {
				t.Errorf("%d clusters, want %d", len(fresh.Versions[xdsclient.Clusters]), len(last.Clusters))
			}
		})
	}
}

// following is what the server sends on account of the last acknowledgement, if
// anything: whatever comes before the answer to a question asked after it.
func following(s *xdsclient.Stream) []*discoveryv3.DeltaDiscoveryResponse {
	var found []*discoveryv3.DeltaDiscoveryResponse
	s.Subscribe(xdsclient.Secrets, publish.RootsSecret)
	for {
		response, err := s.Receive()
		if err != nil {
			return nil
		}
		if response.GetTypeUrl() == xdsclient.Secrets {
			s.Ack(response)
			return found
		}
		found = append(found, response)
	}
}

// roll makes a set of some clusters of some content.
func roll(dice *rand.Rand) publish.Set {
	var made publish.Set
	for i := range 6 {
		if dice.IntN(2) == 0 {
			continue
		}
		made.Clusters = append(made.Clusters, &clusterv3.Cluster{
			Name: fmt.Sprint("c", i), AltStatName: fmt.Sprint(dice.IntN(2)),
			ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		})
	}
	return made
}
