package derived

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// BenchmarkOneOfMany is a pass after one service has another endpoint, where there are
// 10,000: half of them through the gateway, half of them through their pods.
func BenchmarkOneOfMany(b *testing.B) {
	m := newMemory(b, many(10_000)...)
	m.watch(b)
	for settled := false; !settled; {
		before := m.requests()
		if err := m.writer.Once(b.Context()); err != nil {
			b.Fatal(err)
		}
		_, known := m.cluster.Ports()
		settled = known && m.requests() == before
	}
	b.ReportAllocs()
	for at := 0; b.Loop(); at++ {
		m.tell(put(exported("service-1", tcp, pods("north", netip.AddrFrom4([4]byte{10, 3, byte(at >> 8), byte(at)}).String()))))
		if err := m.writer.Once(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// many are services of members north and west.
func many(count int) []*model.Service {
	all := make([]*model.Service, count)
	for i := range all {
		from := [...]model.MemberName{"west", "north"}[i%2]
		all[i] = exported(fmt.Sprint("service-", i), tcp, pods(from, netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}).String()))
	}
	return all
}
