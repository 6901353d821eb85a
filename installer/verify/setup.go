package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// inspect contacts every cluster and writes nothing. A dead cluster costs its
// own rows and columns; a namespace that may not be used stops the whole run.
func (r *run) inspect(ctx context.Context) error {
	refused := make([]error, len(r.Members))
	slot := map[*Member]int{}
	for i, m := range r.Members {
		slot[m] = i
	}
	r.Each(func(m *Member) {
		r.Step(m.Name, "contact")
		err := r.contact(ctx, m)
		var p *problem.Error
		if errors.As(err, &p) && p.Kind == problem.Refused {
			refused[slot[m]] = err
			return
		}
		m.Err, m.contacted = err, err == nil || p != nil
	})
	return errors.Join(refused...)
}

// contact looks at the place in one cluster. A problem is what it found there;
// any other error means that it could not look.
func (r *run) contact(ctx context.Context, m *Member) (err error) {
	if m.Kube == nil || m.Dynamic == nil {
		return errors.New("there is no connection to its API server")
	}
	bound, cancel := context.WithTimeout(ctx, r.Contact)
	defer cancel()
	m.site, err = m.harness().Inspect(bound, m.Plan)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("its API server did not answer within %s: %w", r.Contact, err)
	}
	return err
}

// setUp puts the workloads into every cluster and waits until each is ready or
// will never be.
func (r *run) setUp(ctx context.Context) {
	r.Each(func(m *Member) {
		r.Step(m.Name, "read the mesh")
		r.sweep(ctx, m)
	})
	r.dataplane.Prepare(ctx, r.Scene)
	r.Each(func(m *Member) {
		r.Step(m.Name, "deploy to namespace %s", m.Plan.Namespace)
		m.made = true
		if err := m.harness().Create(ctx, m.Plan, m.site); err != nil {
			m.Err = err
			return
		}
		r.Step(m.Name, "wait for pods")
		bound, cancel := context.WithTimeout(ctx, r.Setup)
		defer cancel()
		workloads, err := m.harness().Await(bound, m.Plan)
		if err != nil {
			m.Err = fmt.Errorf("wait for pods: %w", err)
			return
		}
		for _, w := range workloads {
			if w.Name == harness.SleepName {
				m.Sleep = w
			} else {
				m.Hello = w
			}
		}
		r.Step(m.Name, "sleep %s, helloworld %s", word(m.Sleep), word(m.Hello))
	})
}

func word(w harness.Workload) string {
	if w.Ready {
		return "ready"
	}
	return "not ready: " + w.Reason
}

// sweep removes what crashed runs left; that it fails is no reason to stop.
func (r *run) sweep(ctx context.Context, m *Member) {
	bound, cancel := context.WithTimeout(ctx, r.Contact)
	defer cancel()
	swept, err := m.harness().Sweep(bound, time.Now())
	for _, name := range swept {
		r.Step(m.Name, "removed %s of an earlier run", name)
	}
	if err != nil {
		r.Step(m.Name, "leftovers of earlier runs were not removed: %v", err)
	}
}

// cleanUp removes everything, in every cluster at once, with a bound of its own
// since the run's context may have ended.
func (r *run) cleanUp(ctx context.Context) {
	if r.Keep {
		r.notes = append(r.notes, fmt.Sprintf("objects are kept: kubectl delete namespace %s when done", r.Namespace))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.CleanUp)
	defer cancel()
	left := make([]string, len(r.Members))
	done := make(chan int, len(r.Members))
	for i, m := range r.Members {
		go func() {
			defer func() { done <- i }()
			if !m.made {
				return
			}
			r.Step(m.Name, "clean up")
			if err := m.harness().Remove(ctx, m.Plan, m.site); err != nil {
				left[i] = fmt.Sprintf("cluster %s: %v", m.Name, err)
			}
		}()
	}
	for range r.Members {
		<-done
	}
	for _, text := range left {
		if text != "" {
			r.notes = append(r.notes, text)
		}
	}
}
