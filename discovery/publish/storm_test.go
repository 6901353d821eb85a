package publish_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// TestStorm: F37, with the 1,000 streams of the table where there is time for that, and
// else with those that a small machine bears under the race detector. All resume at once
// after a restart, and nothing is sent again.
func TestStorm(t *testing.T) {
	t.Parallel()
	const services = 20
	streams := 200
	if os.Getenv(faults) == "all" {
		streams = 1000
	}
	var names []string
	for i := range services {
		names = append(names, fmt.Sprint("service-", i))
	}
	r := start(t, nil)
	r.publish(t, east, set(names...))
	client := r.ca.Leaf(t, identity(east))

	earlier := r.connect(t, east)
	earlier.Subscribe(xdsclient.Clusters)
	earlier.Take(xdsclient.Clusters)
	earlier.Subscribe(xdsclient.Endpoints, names...)
	earlier.Take(xdsclient.Endpoints)

	all := make([]*xdsclient.Stream, streams)
	var group sync.WaitGroup
	for i := range all {
		all[i] = xdsclient.Open(t, r.dial(t, client), &corev3.Node{Id: fmt.Sprint("gateway-", i), Cluster: "east"})
		group.Go(func() {
			all[i].Resume(xdsclient.Clusters, earlier)
			all[i].Resume(xdsclient.Endpoints, earlier, names...)
			all[i].Quiet()
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	if pushed := r.publishEndpoints(t, east, endpoints(names[0], 2)); pushed != streams+1 {
		t.Errorf("%d pushes, want one to each of %d", pushed, streams+1)
	}
	for _, s := range all {
		group.Go(func() {
			if response := s.Take(xdsclient.Endpoints); len(response.GetResources()) != 1 {
				t.Errorf("got %s", xdsclient.Describe(response))
			}
			s.Quiet()
		})
	}
	group.Wait()
	if got := len(r.Proxies()); got != streams+1 {
		t.Errorf("%d proxies shown", got)
	}
	if got := r.Stats().Rejected; len(got) > 0 {
		t.Errorf("turned away: %v", got)
	}
}

// TestStormOfThoseWhoMissedSomething is a neighbour of F37: among those who come back at
// once are some that were away during a change, and some that never were there. Each gets
// what it lacks, and no more.
func TestStormOfThoseWhoMissedSomething(t *testing.T) {
	t.Parallel()
	const each = 30
	names := []string{"a", "b", "c"}
	r := start(t, nil)
	r.publish(t, east, set(names...))
	client := r.ca.Leaf(t, identity(east))
	take := func() *xdsclient.Stream {
		s := r.connect(t, east)
		s.Subscribe(xdsclient.Clusters)
		s.Take(xdsclient.Clusters)
		s.Subscribe(xdsclient.Endpoints, names...)
		s.Take(xdsclient.Endpoints)
		return s
	}
	early := take()
	r.publishEndpoints(t, east, endpoints("b", 5))
	late := take()
	var group sync.WaitGroup
	for i := range 3 * each {
		s := xdsclient.Open(t, r.dial(t, client), &corev3.Node{Id: fmt.Sprint("gateway-", i), Cluster: "east"})
		group.Go(func() {
			switch i % 3 {
			case 0: // has everything
				s.Resume(xdsclient.Clusters, late)
				s.Resume(xdsclient.Endpoints, late, names...)
			case 1: // was away
				s.Resume(xdsclient.Clusters, early)
				s.Resume(xdsclient.Endpoints, early, names...)
				want(t, s.Take(xdsclient.Endpoints), []string{"b"})
			default:
				s.Subscribe(xdsclient.Clusters)
				want(t, s.Take(xdsclient.Clusters), names)
				s.Subscribe(xdsclient.Endpoints, names...)
				want(t, s.Take(xdsclient.Endpoints), names)
			}
			s.Quiet()
		})
	}
	group.Wait()
	if got := r.Stats().Rejected; len(got) > 0 {
		t.Errorf("turned away: %v", got)
	}
}
