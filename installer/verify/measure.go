package verify

import (
	"context"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/envoy"
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
	consumer *member
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
	r.each(func(m *member) {
		if !m.calls() {
			return
		}
		r.step(m.Name, "call every link %d times", r.Requests)
		limit := make(chan struct{}, atOnce)
		var all sync.WaitGroup
		for _, c := range r.cells {
			if c.consumer == m && c.testable() && c.answered {
				all.Go(func() {
					limit <- struct{}{}
					defer func() { <-limit }()
					c.answers = m.load(ctx, c.target(), r.Requests)
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
func (m *member) load(ctx context.Context, target traffic.Target, n int) []traffic.Answer {
	load := traffic.Load{Target: target, Requests: n, Limit: requestBound, Budget: loadBudget}
	output, err := m.inSleep(ctx, load.Command()...)
	answers := traffic.Parse(output)[target.Name]
	if err != nil && len(answers) == 0 {
		answers = []traffic.Answer{{Exit: traffic.ExitTimeout, Detail: err.Error()}}
	}
	return answers
}

// callShared calls the shared service and judges who answered. Where a link is
// broken there is nothing to judge: the link's own verdict says it all.
func (r *run) callShared(ctx context.Context, s *share) {
	m := s.consumer
	versions := map[*member]bool{}
	for _, c := range r.cells {
		if c.consumer != m {
			continue
		}
		if c.testable() && !c.answered {
			s.skipped = "the link to " + c.producer.Name + " is not proved"
			return
		}
		if c.producer.answers() {
			versions[c.producer] = true
		}
	}
	weights, err := r.weights(ctx, m)
	if err != nil {
		s.skipped = "the weights could not be read: " + err.Error()
		return
	}
	n := max(r.Requests, judge.Requests(len(versions)))
	r.step(m.Name, "call the shared service %d times", n)
	target := traffic.Target{Name: harness.HelloName, URL: helloURL(harness.HelloName, m.plan.Namespace)}
	s.summary = traffic.Summarise(m.load(ctx, target, n))
	s.weights = weights
	s.outcome = judge.Shares(weights, s.summary.Versions, r.Confidence)
}

// weights reads what part of the shared service the consumer's Envoy gives each
// version. Which address belongs to which member is known from the links: their
// Services have pods in one member only, so their addresses are that member's.
func (r *run) weights(ctx context.Context, m *member) (map[string]float64, error) {
	data, err := m.sidecar(ctx, m.sleep.Pod, m.services().EndpointsPath())
	if err != nil {
		return nil, err
	}
	endpoints, err := envoy.ParseEndpoints(data)
	if err != nil {
		return nil, err
	}
	owner := map[string]*member{}
	for _, c := range r.cells {
		if c.consumer != m {
			continue
		}
		for _, e := range endpoints[c.clusterName()] {
			owner[e.String()] = c.producer
		}
	}
	weights := map[string]float64{}
	for _, c := range r.cells {
		// A version that should be there but has no endpoint has weight zero.
		if c.consumer == m && c.testable() {
			weights[c.producer.version] = 0
		}
	}
	for _, e := range endpoints[envoy.ClusterName(fullName(harness.HelloName, m.plan.Namespace), harness.Port)] {
		if p := owner[e.String()]; p != nil {
			weights[p.version] += e.Share
		}
	}
	return weights, nil
}

// judgeFlaky looks for the reason where a link answers only now and then.
func (r *run) judgeFlaky(ctx context.Context) {
	var flaky []*cell
	for _, c := range r.cells {
		if s := traffic.Summarise(c.answers); c.answered && s.Good < s.Sent {
			for _, a := range c.answers {
				if !a.OK() {
					c.last = a
				}
			}
			flaky = append(flaky, c)
		}
	}
	if len(flaky) > 0 {
		r.diagnose(ctx, flaky)
	}
}
