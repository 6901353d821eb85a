//go:build bench

package names

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/eastwest-mesh/eastwest/lab/bench"
)

// each is how many endpoints a service has whose memory is measured; steps are how many
// such services there are.
const each = 25

var steps = []int{0, 200, 400, 800}

// settle is how long a server that is ready is left alone before it is looked at.
const settle = 5 * time.Second

// BenchmarkMemory measures what is resident of a server that has just read what there
// is, and by how much that grows with each endpoint.
func BenchmarkMemory(b *testing.B) {
	w := newWorld(b)
	text, made := "", 0
	var endpoints []float64
	sizes := map[string][]float64{}
	for _, services := range steps {
		for ; made < services; made++ {
			w.headless(b, fmt.Sprintf("s%d", made), addresses(fmt.Sprintf("10.%d", 100+made%100), each))
		}
		endpoints = append(endpoints, float64(services*each))
		text += fmt.Sprintf("%d endpoints:", services*each)
		for _, name := range []string{agent, plain} {
			s, stop := start(b, name)
			if services > 0 {
				last := question{"the last service", fmt.Sprintf("s%d.bench.svc.clusterset.local.", services-1), dnsmessage.TypeA, "udp", dnsmessage.RCodeSuccess, each}
				wantSame(b, []*server{s}, last)
			}
			time.Sleep(settle)
			size := s.resident(b)
			stop()
			sizes[name] = append(sizes[name], float64(size))
			text += fmt.Sprintf(" %s %.1f MB", name, float64(size)/1e6)
		}
		text += "\n"
	}
	ours, theirs := bench.Slope(endpoints, sizes[agent]), bench.Slope(endpoints, sizes[plain])
	b.ReportMetric(0, "ns/op")
	b.Logf("%sfor each endpoint: agent %.0f bytes, coredns %.0f bytes, ratio %.2f", text, ours, theirs, theirs/ours)
}
