// Package verify proves with real traffic that every member of a mesh reaches
// every other, and where one does not, names the first broken hop and its fix.
// It owns the run: deploy, wait, call, look, judge, clean up. It tests from
// outside and so knows none of the installer's other packages: what it says is
// as true of a mesh that was made by hand. What differs between data planes is
// behind the interface Dataplane.
//
//	traffic   what runs in the sleep pod and how its output reads
//	harness   the objects of a run in one cluster, and their removal
//	judge     pure: what a verdict is, and the statistics of shares
//	report    the outcome as data and its printed forms
//	istio     the mesh of Istio: what is seen of it and its checks
//	plain     gateways that the agent drives: what is seen of them, their checks
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
func Run(ctx context.Context, dataplane Dataplane, clusters []Cluster, options Options) (*report.Report, error) {
	options, err := options.complete(clusters)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	r := newRun(dataplane, clusters, options)
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
	r.Step("", "look at what lets the links learn")
	r.standing = r.dataplane.Standing(ctx, r.Scene)
}

// run is one verification.
type run struct {
	*Scene
	dataplane Dataplane
	shares    []*share
	standing  []Standing
	notes     []string
	// interrupted says that what was not seen proves nothing.
	interrupted bool
}

func newRun(dataplane Dataplane, clusters []Cluster, options Options) *run {
	r := &run{Scene: &Scene{Options: options}, dataplane: dataplane}
	var names []string
	for _, c := range clusters {
		names = append(names, c.Name)
	}
	for i, c := range clusters {
		m := &Member{Cluster: c, Version: fmt.Sprintf("v%d", i+1)}
		m.Plan = r.plan(m, i, names)
		r.Members = append(r.Members, m)
	}
	for _, consumer := range r.Members {
		for _, producer := range r.Members {
			r.Cells = append(r.Cells, &Cell{
				Consumer: consumer, Producer: producer,
				Expected: options.expects(consumer.Name, producer.Name),
			})
		}
		r.shares = append(r.shares, &share{consumer: consumer})
	}
	return r
}
