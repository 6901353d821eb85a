//go:build bench

package names

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/bench"
)

// Windows are short and many, so that what else the host does meets all servers.
const (
	window = time.Second
	rounds = 6
	// rate is one that all servers keep up with.
	rate = 2000
)

// BenchmarkQueries measures answers in a second, what each costs, and how long they take at a fixed rate.
// Servers are asked in turns.
func BenchmarkQueries(b *testing.B) {
	w := newWorld(b)
	w.addressed(b, "web", derivedName(namespace, "web"))
	w.headless(b, "large", addresses("10.20", many))
	var servers []*server
	for _, name := range []string{agent, plain, cached} {
		s, _ := start(b, name)
		servers = append(servers, s)
	}
	servers = append(servers, startEcho(b))
	for _, q := range questions {
		b.Run(q.title, func(b *testing.B) {
			wantSame(b, servers[:3], q)
			packed, order, all := q.pack(b), slices.Clone(servers), map[string]*figures{}
			for _, s := range servers {
				all[s.name] = &figures{}
			}
			for range rounds {
				for _, s := range order {
					if s.name != echoes || q.network == "udp" {
						all[s.name].measure(b, s, q.network, packed)
					}
				}
				slices.Reverse(order)
			}
			report(b, servers, all)
		})
	}
}

// figures are what was measured of a server, one of each for a window: the time of an
// answer where as many as can be are wanted, the processor's time for one, and how long
// one takes at the fixed rate. Those of one window depend on each other, so that only
// windows are compared.
type figures struct{ each, work, p50, p99 []time.Duration }

func (f *figures) measure(b *testing.B, s *server, network string, packed []byte) {
	b.Helper()
	before := s.worked(b)
	answers := saturate(b, s.address, network, packed, window)
	f.each = append(f.each, time.Duration(float64(time.Second)/answers))
	f.work = append(f.work, time.Duration(float64(s.worked(b)-before)/(answers*window.Seconds())))
	if network == "udp" {
		took := pace(b, s.address, packed, rate, window)
		f.p50, f.p99 = append(f.p50, bench.Quantile(took, 0.5)), append(f.p99, bench.Quantile(took, 0.99))
	}
}

// report prints the medians of all windows, and ratios of others over the agent.
func report(b *testing.B, servers []*server, all map[string]*figures) {
	b.Helper()
	text, ours := "", all[agent]
	for _, s := range servers {
		f := all[s.name]
		if len(f.each) == 0 {
			continue
		}
		text += fmt.Sprintf("%-20s %7.0f answers/s; %s of a processor each", s.name, 1/bench.Quantile(f.each, 0.5).Seconds(), micros(f.work, 0.5))
		if len(f.p50) > 0 {
			text += fmt.Sprintf("; at %d/s p50 %s, p99 %s", rate, micros(f.p50, 0.5), micros(f.p99, 0.5))
		}
		if s.name != agent {
			text += fmt.Sprintf("; over the agent: time of an answer %s, processor %s", ratio(f.each, ours.each, 0.5), ratio(f.work, ours.work, 0.5))
			if len(f.p50) > 0 {
				text += fmt.Sprintf(", p50 %s, p99 %s", ratio(f.p50, ours.p50, 0.5), ratio(f.p99, ours.p99, 0.5))
			}
		}
		text += "\n"
	}
	b.ReportMetric(0, "ns/op")
	b.Logf("%d rounds of %s\n%s", rounds, window, text)
}

func ratio(over, under []time.Duration, q float64) string {
	r := bench.RatioOf(over, under, q)
	return fmt.Sprintf("%.2f (%.2f to %.2f)", r.Value, r.Low, r.High)
}

func micros(samples []time.Duration, q float64) string {
	return fmt.Sprintf("%.1f µs", bench.Quantile(samples, q).Seconds()*1e6)
}

// echoes is the server that answers with the question.
const echoes = "echo"

func startEcho(b *testing.B) *server {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	address := freePorts(b)[0]
	cmd := exec.Command("taskset", "-c", serverCore, self)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", echoVariable+"="+address)
	begin(b, cmd)
	time.Sleep(time.Second)
	return &server{name: echoes, address: address, process: cmd.Process}
}
