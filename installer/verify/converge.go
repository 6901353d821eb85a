package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// cell is one link during a run.
type cell struct {
	consumer, producer *member
	expected           bool
	// answered says that it did at least once; last is its newest bad answer.
	answered bool
	last     traffic.Answer
	answers  []traffic.Answer
	verdict  *judge.Verdict
}

// testable says that both ends are there to be tested.
func (c *cell) testable() bool { return c.expected && c.consumer.calls() && c.producer.answers() }

func (c *cell) target() traffic.Target {
	return traffic.Target{Name: c.producer.Name, URL: helloURL(harness.LinkName(c.producer.Name), c.consumer.plan.Namespace)}
}

// host is the full name of the Service that has pods in the producer only.
func (c *cell) host() string {
	return fullName(harness.LinkName(c.producer.Name), c.consumer.plan.Namespace)
}

func fullName(service, namespace string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local", service, namespace)
}

// helloURL uses the short name, as the guide does.
func helloURL(service, namespace string) string {
	return fmt.Sprintf("http://%s.%s:%d/hello", service, namespace, harness.Port)
}

const (
	// askEvery is how often cells that do not answer yet are asked, askBound how
	// long one answer may take.
	askEvery = time.Second
	askBound = 3 * time.Second
	// judgeEvery is how often silent cells are looked at closely: a fault that
	// waiting cannot mend is not waited for.
	judgeEvery = 5 * time.Second
)

// converge asks every cell until all answered, the bound passed, or what is
// wrong with the rest is known and final.
func (r *run) converge(ctx context.Context) {
	bound, cancel := context.WithTimeout(ctx, r.Converge)
	defer cancel()
	judged := time.Now()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		r.ask(ctx)
		silent := r.silent()
		r.step("", "%d of %d links answer", r.testable()-len(silent), r.testable())
		if len(silent) == 0 || ctx.Err() != nil {
			return
		}
		if time.Since(judged) > judgeEvery {
			if r.diagnose(ctx, silent); allFinal(silent) {
				return
			}
			judged = time.Now()
		}
		select {
		case <-bound.Done():
			r.diagnose(ctx, r.silent())
			return
		case <-tick.C:
		}
	}
}

// ask sends one request to every silent cell, one exec per consumer.
func (r *run) ask(ctx context.Context) {
	silent := r.silent()
	r.each(func(m *member) {
		var cells []*cell
		var targets []traffic.Target
		for _, c := range silent {
			if c.consumer == m {
				cells, targets = append(cells, c), append(targets, c.target())
			}
		}
		if len(cells) == 0 {
			return
		}
		output, err := m.inSleep(ctx, traffic.Once(askBound, targets)...)
		answers := traffic.Parse(output)
		for _, c := range cells {
			for _, a := range answers[c.producer.Name] {
				c.answered = c.answered || a.OK()
				if !a.OK() {
					c.last = a
				}
			}
			if err != nil && len(answers[c.producer.Name]) == 0 {
				c.last = traffic.Answer{Exit: traffic.ExitTimeout, Detail: err.Error()}
			}
		}
	})
}

// silent are the testable cells that have not answered.
func (r *run) silent() []*cell {
	var all []*cell
	for _, c := range r.cells {
		if c.testable() && !c.answered {
			all = append(all, c)
		}
	}
	return all
}

func (r *run) testable() int {
	n := 0
	for _, c := range r.cells {
		if c.testable() {
			n++
		}
	}
	return n
}

func allFinal(cells []*cell) bool {
	for _, c := range cells {
		if c.verdict == nil || !c.verdict.Final {
			return false
		}
	}
	return true
}

// clusterName is the name in Envoy of the cell's Service.
func (c *cell) clusterName() string { return envoy.ClusterName(c.host(), harness.Port) }
