package verify

import (
	"context"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

const (
	// requestBound is how long one request may take, loadBudget all of one load.
	requestBound = 5 * time.Second
	loadBudget   = 30 * time.Second
	// atOnce is how many loads one sleep pod runs side by side.
	atOnce = 4
)

// share is the shared service as one consumer meets it.
type share struct {
	consumer *Member
	// skipped says why it was not judged.
	skipped string
	summary traffic.Summary
	// weights are what the consumer's Envoy gives each version.
	weights map[string]float64
	outcome judge.Outcome
}

// measure sends the loads: first all links of a consumer, then the shared
// service, so that what answers there is known to be reachable.
func (r *run) measure(ctx context.Context) {
	r.Each(func(m *Member) {
		if !m.Calls() {
			return
		}
		r.Step(m.Name, "call every link %d times", r.Requests)
		limit := make(chan struct{}, atOnce)
		var all sync.WaitGroup
		for _, c := range r.Cells {
			if c.Consumer == m && c.Testable() && c.Answered {
				all.Go(func() {
					limit <- struct{}{}
					defer func() { <-limit }()
					target, _ := r.target(c)
					c.answers = m.load(ctx, target, r.Requests)
				})
			}
		}
		all.Wait()
		for _, s := range r.shares {
			if s.consumer == m {
				r.callShared(ctx, s)
			}
		}
	})
	r.judgeFlaky(ctx)
}

// load sends requests one after the other in one exec.
func (m *Member) load(ctx context.Context, target traffic.Target, n int) []traffic.Answer {
	load := traffic.Load{Target: target, Requests: n, Limit: requestBound, Budget: loadBudget}
	output, err := m.InSleep(ctx, load.Command()...)
	answers := traffic.Parse(output)[target.Name]
	if err != nil && len(answers) == 0 && ctx.Err() == nil {
		answers = []traffic.Answer{{Exit: traffic.ExitTimeout, Detail: err.Error()}}
	}
	return answers
}

// callShared calls the shared service and judges who answered. Where a link is
// broken there is nothing to judge: the link's own verdict says it all.
func (r *run) callShared(ctx context.Context, s *share) {
	m := s.consumer
	versions := map[*Member]bool{}
	for _, c := range r.Cells {
		if c.Consumer != m {
			continue
		}
		if c.Testable() && !c.Answered {
			s.skipped = "the link to " + c.Producer.Name + " is not proved"
			return
		}
		if c.Producer.Answers() {
			versions[c.Producer] = true
		}
	}
	weights, err := r.dataplane.Weights(ctx, r.Scene, m)
	if err != nil {
		s.skipped = "the weights could not be read: " + err.Error()
		return
	}
	n := max(r.Requests, judge.Requests(len(versions)))
	r.Step(m.Name, "call the shared service %d times", n)
	target := traffic.Target{Name: harness.HelloName, URL: helloURL(r.dataplane.Host(m, harness.HelloName))}
	s.summary = traffic.Summarise(m.load(ctx, target, n))
	s.weights = weights
	s.outcome = judge.Shares(weights, s.summary.Versions, r.Confidence)
}

// judgeFlaky looks for the reason where a link answers only now and then.
func (r *run) judgeFlaky(ctx context.Context) {
	var flaky []*Cell
	for _, c := range r.Cells {
		if s := traffic.Summarise(c.answers); c.Answered && s.Good < s.Sent {
			for _, a := range c.answers {
				if !a.OK() {
					c.Last = a
				}
			}
			flaky = append(flaky, c)
		}
	}
	if len(flaky) > 0 {
		r.dataplane.Diagnose(ctx, r.Scene, flaky)
	}
}
