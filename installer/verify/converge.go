package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// target is where the consumer of a cell calls; false as long as the service has
// no name there.
func (r *run) target(c *Cell) (traffic.Target, bool) {
	host := r.dataplane.Host(c.Consumer, c.Service())
	return traffic.Target{Name: c.Producer.Name, URL: helloURL(host)}, host != ""
}

func helloURL(host string) string { return fmt.Sprintf("http://%s:%d/hello", host, harness.Port) }

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
		r.Step("", "%d of %d links answer", r.testable()-len(silent), r.testable())
		if len(silent) == 0 || ctx.Err() != nil {
			return
		}
		if time.Since(judged) > judgeEvery {
			if r.dataplane.Diagnose(ctx, r.Scene, silent); allFinal(silent) {
				return
			}
			judged = time.Now()
		}
		select {
		case <-bound.Done():
			r.dataplane.Diagnose(ctx, r.Scene, r.silent())
			return
		case <-tick.C:
		}
	}
}

// ask sends one request to every silent cell, one exec per consumer.
func (r *run) ask(ctx context.Context) {
	silent := r.silent()
	r.Each(func(m *Member) {
		r.dataplane.Refresh(ctx, r.Scene, m)
		var cells []*Cell
		var targets []traffic.Target
		for _, c := range silent {
			if c.Consumer != m {
				continue
			}
			if t, named := r.target(c); named {
				cells, targets = append(cells, c), append(targets, t)
			} else {
				c.Last = traffic.Answer{Exit: traffic.ExitName}
			}
		}
		if len(cells) == 0 {
			return
		}
		output, err := m.InSleep(ctx, traffic.Once(askBound, targets)...)
		answers := traffic.Parse(output)
		for _, c := range cells {
			for _, a := range answers[c.Producer.Name] {
				c.Answered = c.Answered || a.OK()
				if !a.OK() {
					c.Last = a
				}
			}
			if err != nil && len(answers[c.Producer.Name]) == 0 {
				c.Last = traffic.Answer{Exit: traffic.ExitTimeout, Detail: err.Error()}
			}
		}
	})
}

// silent are the testable cells that have not answered.
func (r *run) silent() []*Cell {
	var all []*Cell
	for _, c := range r.Cells {
		if c.Testable() && !c.Answered {
			all = append(all, c)
		}
	}
	return all
}

func (r *run) testable() int {
	n := 0
	for _, c := range r.Cells {
		if c.Testable() {
			n++
		}
	}
	return n
}

func allFinal(cells []*Cell) bool {
	for _, c := range cells {
		if c.Verdict == nil || !c.Verdict.Final {
			return false
		}
	}
	return true
}
