package watch

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// BenchmarkBytesPerEndpoint keeps 10,000 endpoints, in slices of two sizes, and
// reports what they take: as they arrive, decoded and packed.
func BenchmarkBytesPerEndpoint(b *testing.B) {
	const total = 10_000
	for _, size := range []int{100, 10} {
		b.Run(fmt.Sprintf("slices of %d", size), func(b *testing.B) {
			raws := make([][]byte, 0, total/size)
			for i := range total / size {
				slice := kubeSlice("shop", fmt.Sprintf("service-%d-abcde", i/10), fmt.Sprintf("service-%d", i/10), size)
				slice.Name = fmt.Sprintf("service-%d-%d", i/10, i)
				for j := range slice.Endpoints {
					n := i*size + j
					slice.Endpoints[j].Addresses[0] = fmt.Sprintf("10.%d.%d.%d", 1+n/65536, n/256%256, n%256)
				}
				raws = append(raws, fakeapi.Envelope("EndpointSlice", slice))
			}
			resource := watched(anywhere)[ofSlices]
			for range b.N {
				before := heap()
				table := newTable()
				for _, raw := range raws {
					decoded, err := resource.decode(raw)
					if err != nil {
						b.Fatal(err)
					}
					table.put(ofSlices, resource.pack(decoded))
				}
				b.ReportMetric(float64(heap()-before)/total, "B/endpoint")
				runtime.KeepAlive(table)
			}
		})
	}
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkEvent is a change of a slice of 100 endpoints: decode, pack, apply,
// offer, in a member with many services.
func BenchmarkEvent(b *testing.B) {
	for _, count := range []int{100, 1000} {
		b.Run(fmt.Sprintf("%d services", count), func(b *testing.B) {
			c, err := New(Options{Record: record(), Config: (&fakeapi.Server{}).Config()})
			if err != nil {
				b.Fatal(err)
			}
			s := c.asked
			s.cancel = func() {}
			for _, one := range s.streams {
				one.listed = true
			}
			c.current, c.asked = s, nil
			for i := range count {
				name := fmt.Sprintf("service-%d", i)
				s.put(s.streams[ofServices], packService(kubeService("shop", name)), "")
				s.put(s.streams[ofExports], packExport(kubeExport("shop", name), model.Upstream), "")
				s.put(s.streams[ofSlices], packSlice(kubeSlice("shop", name+"-1", name, 10), s.policy), "")
			}
			raws := [2][]byte{}
			for i := range raws {
				slice := kubeSlice("shop", "service-7-1", "service-7", 100)
				slice.Endpoints[0].Addresses[0] = fmt.Sprintf("10.9.0.%d", i+1)
				raws[i] = fakeapi.Envelope("EndpointSlice", slice)
			}
			c.step(b.Context(), time.Now())
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				decoded, err := s.streams[ofSlices].decode(raws[i%2])
				if err != nil {
					b.Fatal(err)
				}
				s.put(s.streams[ofSlices], s.streams[ofSlices].pack(decoded), "")
				if _, shard, changed := c.step(b.Context(), time.Now()); shard == nil || len(changed) != 1 {
					b.Fatal("no offer")
				}
			}
		})
	}
}
