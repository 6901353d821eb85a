package model

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"unique"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// listOf are endpoints as anybody would keep them.
func listOf(from Endpoints) []Endpoint {
	var all []Endpoint
	for at, one := range from.All() {
		if from.Health(at) != one.Health || from.At(at) != one {
			panic(fmt.Sprint("not the same: ", at))
		}
		all = append(all, one)
	}
	return all
}

func endpoint(address, zone string, health Health) Endpoint {
	return Endpoint{Addr: netip.MustParseAddr(address), Zone: unique.Make(zone), Health: health}
}

var byValue = cmpopts.EquateComparable(netip.Addr{}, Zone{})

func TestEndpointsAreWhatWasAppended(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var want []Endpoint
		var got Endpoints
		if r.IntN(2) == 0 {
			got.Grow(r.IntN(20), []Family{IPv4, IPv6}[r.IntN(2)])
		}
		for range r.IntN(30) {
			address := fmt.Sprintf("10.0.%d.%d", r.IntN(3), r.IntN(3))
			if r.IntN(int(seed%7)+1) > 3 {
				address = fmt.Sprintf("fd00::%x", r.IntN(9))
			}
			one := endpoint(address, []string{"", "a", "b", "c"}[r.IntN(4)], Health(r.IntN(3)))
			want = append(want, one)
			got.Append(one)
		}
		if diff := cmp.Diff(want, listOf(got), byValue); diff != "" || got.Len() != len(want) {
			t.Fatalf("seed %d: (-want +got)\n%s", seed, diff)
		}
		count := r.IntN(len(want) + 1)
		first := got.First(count)
		if diff := cmp.Diff(want[:count], listOf(first), byValue, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: the first %d: (-want +got)\n%s", seed, count, diff)
		}
		first.Append(endpoint("192.0.2.1", "d", Unready)) // on top of what it shares
		if diff := cmp.Diff(want, listOf(got), byValue); diff != "" {
			t.Fatalf("seed %d: after another was changed: (-want +got)\n%s", seed, diff)
		}
		other := EndpointsOf(want...)
		if !other.Equal(got) {
			t.Fatalf("seed %d: equal ones differ", seed)
		}
		if len(want) > 0 {
			at := r.IntN(len(want))
			less := slices.Delete(slices.Clone(want), at, at+1)
			if EndpointsOf(less...).Equal(got) {
				t.Fatalf("seed %d: one less is no difference", seed)
			}
			want[at].Zone = unique.Make("elsewhere")
			if EndpointsOf(want...).Equal(got) {
				t.Fatalf("seed %d: another zone is no difference", seed)
			}
		}
	}
}

func TestEndpointsThatAreNotPackedAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ given, want []Endpoint }{
		"no zone at all":        {[]Endpoint{{Addr: netip.MustParseAddr("10.0.0.1")}}, []Endpoint{endpoint("10.0.0.1", "", Serving)}},
		"IPv4 mapped to IPv6":   {[]Endpoint{endpoint("::ffff:10.0.0.1", "a", Draining)}, []Endpoint{endpoint("10.0.0.1", "a", Draining)}},
		"no address":            {[]Endpoint{{Zone: NoZone}}, []Endpoint{endpoint("::", "", Serving)}},
		"none, after IPv4":      {[]Endpoint{endpoint("10.0.0.1", "a", Serving), {Zone: NoZone}}, []Endpoint{endpoint("10.0.0.1", "a", Serving), endpoint("::", "", Serving)}},
		"an address's own zone": {[]Endpoint{endpoint("fe80::1%eth0", "", Serving)}, []Endpoint{endpoint("fe80::1", "", Serving)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, listOf(EndpointsOf(tc.given...)), byValue); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestZonesWithoutEnd: a member that makes them up costs no more than is known.
func TestZonesWithoutEnd(t *testing.T) {
	t.Parallel()
	var all Endpoints
	for i := range 2 * mostZones {
		all.Append(endpoint("10.0.0.1", fmt.Sprint("zone-", i), Serving))
	}
	if last := all.At(mostZones - 1); last.Zone.Value() != fmt.Sprint("zone-", mostZones-1) {
		t.Errorf("the last one that is kept is %q", last.Zone.Value())
	}
	if beyond := all.At(mostZones); beyond.Zone != NoZone {
		t.Errorf("beyond there is %q", beyond.Zone.Value())
	}
	all.Append(endpoint("10.0.0.1", "zone-7", Serving))
	if known := all.At(all.Len() - 1); known.Zone.Value() != "zone-7" {
		t.Errorf("one that is known is %q", known.Zone.Value())
	}
}

func TestEndpointsAreSmall(t *testing.T) {
	t.Parallel()
	var all Endpoints
	all.Grow(100, IPv4)
	for i := range 100 {
		all.Append(endpoint(fmt.Sprintf("10.0.0.%d", i), fmt.Sprint("zone-", i%3), Serving))
	}
	if all.Bytes() != 700 || cap(all.packed) > 704 {
		t.Errorf("100 endpoints are %d bytes, in room for %d", all.Bytes(), cap(all.packed))
	}
}
