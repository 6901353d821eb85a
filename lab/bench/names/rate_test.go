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
			perQuery, took, work := map[string][]time.Duration{}, map[string][]time.Duration{}, map[string][]time.Duration{}
			packed := q.pack(b)
			for range rounds {
				for _, s := range servers {
					if s.name == echoes && q.network != "udp" {
						continue
					}
					before := s.worked(b)
					answers := saturate(b, s.address, q.network, packed, window)
					work[s.name] = append(work[s.name], time.Duration(float64(s.worked(b)-before)/(answers*window.Seconds())))
					perQuery[s.name] = append(perQuery[s.name], time.Duration(float64(time.Second)/answers))
					if q.network == "udp" {
						took[s.name] = append(took[s.name], pace(b, s.address, packed, rate, window)...)
					}
				}
				slices.Reverse(servers)
			}
			report(b, servers, perQuery, work, took)
		})
	}
}

// report prints medians, and ratios of others over the agent: of answers in a second, of
// the processor's time that one takes, and of how long one takes.
func report(b *testing.B, servers []*server, perQuery, work, took map[string][]time.Duration) {
	b.Helper()
	text := ""
	for _, s := range servers {
		if len(perQuery[s.name]) == 0 {
			continue
		}
		text += fmt.Sprintf("%-20s %7.0f answers/s", s.name, 1/bench.Quantile(perQuery[s.name], 0.5).Seconds())
		if s.name != agent {
			text += ", agent does " + ratio(perQuery[s.name], perQuery[agent], 0.5)
		}
		text += "; " + micros(work[s.name], 0.5) + " of a processor each"
		if s.name != agent {
			text += ", over the agent's " + ratio(work[s.name], work[agent], 0.5)
		}
		if times := took[s.name]; len(times) > 0 {
			text += fmt.Sprintf("; at %d/s p50 %s, p99 %s", rate, micros(times, 0.5), micros(times, 0.99))
			if s.name != agent {
				text += fmt.Sprintf(", over the agent's %s and %s", ratio(times, took[agent], 0.5), ratio(times, took[agent], 0.99))
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
