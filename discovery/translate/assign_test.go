package translate

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestReassign has the endpoints of services change at random, many times over: what is
// taken over from before must be what is made of the whole.
func TestReassign(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		view, from, options := randomScene(seed)
		for service := range view.Services.All() {
			set := Service(view, service, from, options)
			for step := range 20 {
				service = moved(r, service)
				fresh := Service(view, service, from, options)
				set = Reassign(view, service, from, options, set)
				for i, one := range set.Endpoints {
					if !one.Equal(fresh.Endpoints[i]) {
						t.Fatalf("seed %d, step %d, %s: other endpoints than of a new start", seed, step, one.Name)
					}
				}
				if len(set.Endpoints) != len(fresh.Endpoints) {
					t.Fatalf("seed %d, step %d: %d assignments, want %d", seed, step, len(set.Endpoints), len(fresh.Endpoints))
				}
			}
		}
	}
}

// TestTakenOver has other bytes in the place of what members had: those of a member that
// did not change must be there afterwards, too.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	view, from, options := benchScene(t, 1, 3)
	from.Member = "nobody" // so that there is no way in
	service := *view.Services.Get(serviceKey("ns/s0"))
	west := *view.Members["west"]
	west.Network = from.Network
	view.Members["west"] = &west
	set := Service(view, &service, from, options)
	before := *set.Endpoints[0]
	before.Wire = bytes.ReplaceAll(before.Wire, []byte("10.1.0."), []byte("10.9.9."))
	set.Endpoints[0] = &before
	service.Backends = slices.Clone(service.Backends)
	service.Backends[1].Slices = []*model.Slice{{Ports: service.Ports, Endpoints: service.Backends[1].Slices[0].Endpoints.First(2)}}
	got := Reassign(view, &service, from, options, set).Endpoints[0].Wire
	if old, made := bytes.Count(got, []byte("10.9.9.")), bytes.Count(got, []byte("10.1.0.")); old != 3 || made != 2 {
		t.Errorf("%d endpoints are as before and %d made anew, want 3 and 2", old, made)
	}
}

// moved is a service of which one member has other endpoints.
func moved(r *rand.Rand, service *model.Service) *model.Service {
	next := *service
	next.Backends = slices.Clone(service.Backends)
	if len(next.Exporters) == 0 {
		return &next
	}
	name := next.Exporters[r.IntN(len(next.Exporters))]
	at := slices.IndexFunc(next.Backends, func(b model.Backend) bool { return b.Member == name })
	if at < 0 {
		at = len(next.Backends)
		next.Backends = append(next.Backends, model.Backend{Member: name})
	}
	one := &next.Backends[at]
	switch r.IntN(6) {
	case 0:
		next.Backends = slices.Delete(next.Backends, at, at+1)
	case 1:
		one.Share.Weight, one.Share.Drained = pickWeight(r), r.IntN(4) == 0
	case 2:
		one.Ports = nil
		for _, port := range next.Ports {
			if r.IntN(2) == 0 {
				one.Ports = append(one.Ports, port.Name)
			}
		}
	default:
		one.Slices = slices.Clone(one.Slices)
		if len(one.Slices) == 0 || r.IntN(3) == 0 {
			one.Slices = append(one.Slices, nil)
		}
		which := r.IntN(len(one.Slices))
		one.Slices[which] = randomSlice(r, next.Ports, fmt.Sprint(which))
		if one.Slices = one.Slices[:r.IntN(len(one.Slices)+1)]; len(one.Slices) > 0 && one.Slices[len(one.Slices)-1] == nil {
			one.Slices = one.Slices[:len(one.Slices)-1]
		}
	}
	return &next
}

func pickWeight(r *rand.Rand) uint32 {
	return []uint32{0, 1, 2, 100, math.MaxUint32 / 2, math.MaxUint32}[r.IntN(6)]
}

// BenchmarkReassign changes the endpoints of one of ten members, which have a hundred each.
func BenchmarkReassign(b *testing.B) {
	view, from, options := benchScene(b, 1, 100)
	service := *view.Services.Get(serviceKey("ns/s0"))
	pods := service.Backends[0].Slices
	service.Exporters, service.Backends = nil, nil
	for i := range 10 {
		name := model.MemberName(fmt.Sprint("m", i))
		view.Members[name] = &model.Member{Name: name, Network: from.Network}
		service.Exporters = append(service.Exporters, name)
		service.Backends = append(service.Backends, model.Backend{Member: name, Ports: []string{"sql"}, Slices: pods})
	}
	set := Service(view, &service, from, options)
	b.ReportAllocs()
	for b.Loop() {
		other := *pods[0]
		service.Backends[3].Slices = []*model.Slice{&other}
		set = Reassign(view, &service, from, options, set)
	}
}
