//go:build e2e

package plainfaults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

const (
	// probeEvery makes 200 probes a second.
	probeEvery = 5 * time.Millisecond
	// probesAtOnce bounds those that wait for an answer.
	probesAtOnce = 500
)

// outcome is that of one probe: a call with a connection of its own, and one more
// if it fails.
type outcome struct {
	at, end time.Time
	port    int
	version string
	// first is the failure of the first call, last that of the second.
	first, last error
}

// prober calls the shared service from cluster 1 without a break, by turns where
// requests and where connections are balanced, and keeps every outcome.
type prober struct {
	host   string
	client *client
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu       sync.Mutex
	outcomes []outcome
}

// outage is how long faults last that have to be ended.
const outage = 20 * time.Second

// probe starts a prober, and waits until it is answered by all clusters.
func probe(t *testing.T) *prober {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &prober{host: derived(t, 1, "hello"), client: newClient(1, false), cancel: cancel}
	p.group.Go(func() { p.run(ctx) })
	t.Cleanup(p.stop)
	p.awaitWhole(t)
	return p
}

func (p *prober) run(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	slots := make(chan struct{}, probesAtOnce)
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		slots <- struct{}{}
		p.group.Go(func() {
			one := p.once(context.WithoutCancel(ctx), []int{httpPort, tcpPort}[number%2])
			p.mu.Lock()
			p.outcomes = append(p.outcomes, one)
			p.mu.Unlock()
			<-slots
		})
	}
}

func (p *prober) once(ctx context.Context, port int) outcome {
	one := outcome{at: time.Now(), port: port}
	one.version, one.first = p.client.call(ctx, p.host, port)
	if one.first != nil {
		one.version, one.last = p.client.call(ctx, p.host, port)
	}
	one.end = time.Now()
	return one
}

// stop ends the prober and waits for what is under way.
func (p *prober) stop() {
	p.cancel()
	p.group.Wait()
}

// since are the outcomes of probes that began after a moment, in that order.
func (p *prober) since(moment time.Time) []outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []outcome
	for _, one := range p.outcomes {
		if one.at.After(moment) {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b outcome) int { return a.at.Compare(b.at) })
	return out
}

// await lets probes go on for a time.
func (p *prober) await(t *testing.T, lasts time.Duration) {
	t.Helper()
	start := time.Now()
	rig.Await(t, fmt.Sprintf("probes of %s", lasts), lasts+30*time.Second, func(context.Context) error {
		outcomes := p.since(start)
		if n := len(outcomes); n == 0 || outcomes[n-1].at.Sub(start) < lasts {
			return fmt.Errorf("%d probes", n)
		}
		return nil
	})
}

// awaitWhole waits until for a second no call fails and all clusters answer.
func (p *prober) awaitWhole(t *testing.T) {
	t.Helper()
	began := time.Now()
	rig.Await(t, "all clusters answer, and no call fails", time.Minute, func(context.Context) error {
		moment := time.Now().Add(-time.Second)
		f := p.failures(moment)
		if moment.Before(began) || len(f.first) > 0 || len(f.versions) != len(suite.Lab.Clusters) {
			return errors.New(f.String())
		}
		return nil
	})
}

// awaitVersion waits for an answer of a cluster to a probe that began after a
// moment, and returns how long after.
func (p *prober) awaitVersion(t *testing.T, version string, after time.Time, bound time.Duration) time.Duration {
	t.Helper()
	var took time.Duration
	rig.Await(t, "answers of "+version, bound, func(context.Context) error {
		outcomes := p.since(after)
		for _, one := range outcomes {
			if one.version == version {
				took = one.end.Sub(after)
				return nil
			}
		}
		return fmt.Errorf("%d probes, answered by %v", len(outcomes), countVersions(outcomes))
	})
	return took
}

// wantNoFailure wants that no call failed since a moment.
func (p *prober) wantNoFailure(t *testing.T, since time.Time) {
	t.Helper()
	f := p.failures(since)
	if len(f.first) > 0 {
		t.Errorf("%s", f)
	}
}

// wantFailover wants that no call failed later than a bound after a fault, and that
// a client that tries twice hardly noticed.
func (p *prober) wantFailover(t *testing.T, fault time.Time, bound time.Duration) {
	t.Helper()
	f := p.failures(fault)
	t.Logf("%s", f)
	if share := float64(f.probes-len(f.both)) / float64(f.probes); share < 0.999 {
		t.Errorf("%.2f %% of probes succeeded with one retry, want 99.9: %s", 100*share, f)
	}
	if n := len(f.first); n > 0 && f.first[n-1].at.Sub(fault) > bound {
		t.Errorf("a call failed %s after the fault, want none after %s: %s", f.first[n-1].at.Sub(fault).Round(time.Millisecond), bound, f)
	}
}

// failures are what failed since a moment.
type failures struct {
	since  time.Time
	probes int
	// took is the time in which the probes began, slowest that of the slowest probe.
	took, slowest time.Duration
	versions      map[string]int
	// first are probes whose first call failed, both those that failed altogether.
	first, both []outcome
}

func (p *prober) failures(since time.Time) failures {
	outcomes := p.since(since)
	f := failures{since: since, probes: len(outcomes), versions: countVersions(outcomes)}
	for _, one := range outcomes {
		f.slowest = max(f.slowest, one.end.Sub(one.at))
		if one.first != nil {
			f.first = append(f.first, one)
		}
		if one.last != nil {
			f.both = append(f.both, one)
		}
	}
	if len(outcomes) > 0 {
		f.took = outcomes[len(outcomes)-1].at.Sub(outcomes[0].at)
	}
	return f
}

func (f failures) String() string {
	text := fmt.Sprintf("%d probes in %s, answered by %v, slowest %s; %d first calls failed, %d with one retry", f.probes,
		f.took.Round(100*time.Millisecond), f.versions, f.slowest.Round(time.Millisecond), len(f.first), len(f.both))
	if n := len(f.first); n > 0 {
		text += fmt.Sprintf("; from %s to %s after, the first %s", f.first[0].at.Sub(f.since).Round(time.Millisecond),
			f.first[n-1].at.Sub(f.since).Round(time.Millisecond), f.first[0])
	}
	for _, one := range f.both[:min(len(f.both), 3)] {
		text += "\n\t" + one.String()
	}
	return text
}

func (o outcome) String() string {
	return fmt.Sprintf("port %d at %s: %v", o.port, o.at.Format("15:04:05.000"), errors.Join(o.first, o.last))
}

func countVersions(outcomes []outcome) map[string]int {
	counts := map[string]int{}
	for _, one := range outcomes {
		if one.version != "" {
			counts[one.version]++
		}
	}
	return counts
}
