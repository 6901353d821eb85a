// Package verify proves with real traffic that every member of a mesh reaches
// every other, and where one does not, names the first broken hop and its fix.
// It owns the run: deploy, wait, call, look, judge, clean up. It tests from
// outside and so knows none of the installer's other packages: what it says is
// as true of a mesh that was made by hand.
//
//	traffic   what runs in the sleep pod and how its output reads
//	harness   the objects of a run in one cluster, and their removal
//	facts     what one cluster's API says about its part in the mesh
//	envoy     what one proxy says about itself
//	judge     pure: evidence in, verdict out; the list of checks
//	report    the outcome as data and its printed forms
package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/report"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Run verifies the mesh of these clusters. The report is complete also where
// links are broken or clusters are dead: Report.Err then tells the exit code.
// The error is for a run that was refused, rejected or cut short; what it had
// seen by then is in the report, if there is one. Run has always cleaned up
// after itself when it returns, unless it was told to keep its objects.
func Run(ctx context.Context, clusters []Cluster, options Options) (*report.Report, error) {
	options, err := options.complete(clusters)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	r := newRun(clusters, options)
	if err := r.inspect(ctx); err != nil {
		return nil, err
	}
	r.work(ctx)
	r.interrupted = ctx.Err() != nil
	result := r.report(started)
	if r.interrupted {
		return result, problem.New(problem.Deadline, "Interrupted", "verification ended early").
			Because(context.Cause(ctx)).WithFix("run eastwest verify again; its objects were removed")
	}
	return result, nil
}

// work is everything between the first write and the last.
func (r *run) work(ctx context.Context) {
	defer r.cleanUp(context.WithoutCancel(ctx))
	r.setUp(ctx)
	r.converge(ctx)
	r.measure(ctx)
	r.standing(ctx)
}

// run is one verification. Its maps are made before goroutines start; each
// goroutine then writes only into its own member or cell.
type run struct {
	Options
	members []*member
	cells   []*cell
	shares  []*share
	// discovery are findings about links whether or not they work.
	discovery []judged
	notes     []string
	// interrupted says that what was not seen proves nothing.
	interrupted bool
}

func newRun(clusters []Cluster, options Options) *run {
	r := &run{Options: options}
	var names []string
	for _, c := range clusters {
		names = append(names, c.Name)
	}
	for i, c := range clusters {
		m := &member{Cluster: c, version: fmt.Sprintf("v%d", i+1)}
		m.plan = r.plan(m, i, names)
		r.members = append(r.members, m)
	}
	for _, consumer := range r.members {
		for _, producer := range r.members {
			r.cells = append(r.cells, &cell{
				consumer: consumer, producer: producer,
				expected: options.expects(consumer.Name, producer.Name),
			})
		}
		r.shares = append(r.shares, &share{consumer: consumer})
	}
	return r
}
