package verify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// inspect contacts every cluster and writes nothing. A dead cluster costs its
// own rows and columns; a namespace that may not be used stops the whole run.
func (r *run) inspect(ctx context.Context) error {
	refused := make([]error, len(r.members))
	slot := map[*member]int{}
	for i, m := range r.members {
		slot[m] = i
	}
	r.each(func(m *member) {
		r.step(m.Name, "contact")
		err := r.contact(ctx, m)
		var p *problem.Error
		if errors.As(err, &p) && p.Kind == problem.Refused {
			refused[slot[m]] = err
			return
		}
		m.err, m.contacted = err, err == nil || p != nil
	})
	return errors.Join(refused...)
}

// contact looks at the place in one cluster. A problem is what it found there;
// any other error means that it could not look.
func (r *run) contact(ctx context.Context, m *member) (err error) {
	if m.Kube == nil || m.Dynamic == nil {
		return errors.New("there is no connection to its API server")
	}
	bound, cancel := context.WithTimeout(ctx, r.Contact)
	defer cancel()
	m.site, err = m.harness().Inspect(bound, m.plan)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("its API server did not answer within %s: %w", r.Contact, err)
	}
	return err
}

// setUp puts the workloads into every cluster and waits until each is ready or
// will never be.
func (r *run) setUp(ctx context.Context) {
	r.each(func(m *member) {
		r.step(m.Name, "read the mesh")
		r.sweep(ctx, m)
		m.facts = m.reader().Read(ctx)
	})
	ports := r.directPorts()
	r.each(func(m *member) {
		r.step(m.Name, "deploy to namespace %s", m.plan.Namespace)
		m.plan.DirectPorts = ports
		m.made = true
		if err := m.harness().Create(ctx, m.plan, m.site); err != nil {
			m.err = err
			return
		}
		r.step(m.Name, "wait for pods")
		bound, cancel := context.WithTimeout(ctx, r.Setup)
		defer cancel()
		workloads, err := m.harness().Await(bound, m.plan)
		if err != nil {
			m.err = fmt.Errorf("wait for pods: %w", err)
			return
		}
		for _, w := range workloads {
			if w.Name == harness.SleepName {
				m.sleep = w
			} else {
				m.hello = w
			}
		}
		r.step(m.Name, "sleep %s, helloworld %s", word(m.sleep), word(m.hello))
	})
}

func word(w harness.Workload) string {
	if w.Ready {
		return "ready"
	}
	return "not ready: " + w.Reason
}

// sweep removes what crashed runs left; that it fails is no reason to stop.
func (r *run) sweep(ctx context.Context, m *member) {
	bound, cancel := context.WithTimeout(ctx, r.Contact)
	defer cancel()
	swept, err := m.harness().Sweep(bound, time.Now())
	for _, name := range swept {
		r.step(m.Name, "removed %s of an earlier run", name)
	}
	if err != nil {
		r.step(m.Name, "leftovers of earlier runs were not removed: %v", err)
	}
}

// directPorts are those that probes dial past the sidecar: gateways' and API
// servers' of all members. The test traffic itself uses another port.
func (r *run) directPorts() []int {
	ports := []int{facts.TLSPort, healthPort}
	for _, m := range r.members {
		for _, g := range m.facts.Gateways {
			if g.Port != 0 {
				ports = append(ports, g.Port)
			}
			if g.NodePort != 0 {
				ports = append(ports, g.NodePort)
			}
		}
		for _, d := range m.facts.Declared {
			ports = append(ports, d.Port)
		}
		for _, s := range m.facts.RemoteSecrets {
			if u, err := url.Parse(s.Server); err == nil {
				ports = append(ports, portOf(u))
			}
		}
	}
	return slices.DeleteFunc(ports, func(port int) bool { return port == harness.Port })
}

// healthPort is where a sidecar tells the kubelet that it is ready.
const healthPort = 15021

// portOf is the port of an API server's URL.
func portOf(u *url.URL) int {
	if n, err := strconv.Atoi(u.Port()); err == nil {
		return n
	}
	return 443
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
	left := make([]string, len(r.members))
	done := make(chan int, len(r.members))
	for i, m := range r.members {
		go func() {
			defer func() { done <- i }()
			if !m.made {
				return
			}
			r.step(m.Name, "clean up")
			if err := m.harness().Remove(ctx, m.plan, m.site); err != nil {
				left[i] = fmt.Sprintf("cluster %s: %v", m.Name, err)
			}
		}()
	}
	for range r.members {
		<-done
	}
	for _, text := range left {
		if text != "" {
			r.notes = append(r.notes, text)
		}
	}
}
