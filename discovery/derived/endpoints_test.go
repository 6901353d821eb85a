package derived

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestEndpointsSayWhatSlicesSay, as far as one object can hold it.
func TestEndpointsSayWhatSlicesSay(t *testing.T) {
	t.Parallel()
	many := make([]string, 1200)
	for i := range many {
		many[i] = fmt.Sprintf("10.2.%d.%d", i/200, i%200+1)
	}
	object := func(backends ...model.Backend) (subsets, addresses, unready int, cut bool) {
		all := view(flat, exported("a", []model.Port{{Number: 80}}, backends...))
		s := wanted(all, vantage{own: all.Members["east"]})[0]
		made := endpointsObject("demo", "derived-a", s.sliceObjects(nil))
		if made == nil {
			return 0, 0, 0, false
		}
		for _, subset := range made.Subsets {
			addresses, unready = addresses+len(subset.Addresses), unready+len(subset.NotReadyAddresses)
			if subset.Ports[0].Name != nil {
				t.Errorf("a port without a name is called %q", *subset.Ports[0].Name)
			}
		}
		return len(made.Subsets), addresses, unready, made.Annotations[overCapacity] == truncated
	}
	unnamed := func(member model.MemberName, addresses ...string) model.Backend {
		one := pods(member, addresses...)
		one.Ports[0], one.Slices[0].Ports[0].Name = "", ""
		return one
	}
	drains := unnamed("west", "10.2.0.1")
	drains.Slices[0].Endpoints = model.EndpointsOf(model.Endpoint{Addr: netip.MustParseAddr("10.2.0.1"), Health: model.Draining})
	for name, tc := range map[string]struct {
		backends                    []model.Backend
		subsets, addresses, unready int
		cut                         bool
	}{
		"nobody is there":    {nil, 0, 0, 0, false},
		"two members":        {[]model.Backend{unnamed("east", "10.1.0.1"), unnamed("west", "10.2.0.1", "10.2.0.2")}, 2, 3, 0, false},
		"one that drains":    {[]model.Backend{drains}, 1, 0, 1, false},
		"more than it holds": {[]model.Backend{unnamed("west", many...)}, 10, 1000, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if subsets, addresses, unready, cut := object(tc.backends...); subsets != tc.subsets || addresses != tc.addresses || unready != tc.unready || cut != tc.cut {
				t.Errorf("%d subsets, %d addresses, %d not ready, cut %v", subsets, addresses, unready, cut)
			}
		})
	}
}
