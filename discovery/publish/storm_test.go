package publish_test

import (
	"fmt"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// TestStorm: F37, with the streams that a small machine bears under the race
// detector. All resume at once after a restart, and nothing is sent again.
func TestStorm(t *testing.T) {
	t.Parallel()
	const streams, services = 200, 20
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
