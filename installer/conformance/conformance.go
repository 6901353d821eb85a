// Package conformance owns the question whether clusters have what the multi-cluster
// Services API promises (KEP-1645, v1beta1): the 27 cases of SIG Multicluster's suite
// in words and code of our own, and two more. Each case makes its namespace in every
// cluster, exports from the first one or two, looks from all, and removes what it made.
//
// It tests from outside: it must not know who implements the API, nor how clusters
// were joined.
//
//	clusterip, headless, conflicts, exportedlabels, endpointslice, dns, connectivity
//	              the cases, by group
//	scene, objects, imports, pods, ask
//	              what a case is made of
//	report, write the outcome as data and its printed forms
package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/internal/podexec"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Member is one cluster. The first of several exports, the second is the second
// exporter of cases that have one.
type Member struct {
	// Name is for people; Version is that of its API server.
	Name, Version string

	Config  *rest.Config
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
	// Exec runs a command in a pod; nil is package podexec with Config.
	Exec func(ctx context.Context, target podexec.Target, command ...string) ([]byte, error)
}

// Options say what to look at; the zero value looks at everything.
type Options struct {
	Selection
	// Implementation is who is looked at, for the report.
	Implementation Implementation
	// DNSDomain is the zone of the set's names, clusterset.local if empty.
	DNSDomain string
	// Image is that of all test pods: sh, nslookup of BIND, nc of OpenBSD, and socat.
	// DefaultImage if empty.
	Image string
	// Parallel is how many cases run at once, 6 if zero.
	Parallel int
	// Progress is told what a case has come to; it must not block.
	Progress func(text string)
}

// DefaultImage is the published image of test pods.
const DefaultImage = "nicolaka/netshoot:v0.15"

const (
	defaultDomain   = "clusterset.local"
	defaultParallel = 6
)

// How long things may take. Those of conditions, imports and slices are the suite's.
const (
	// soon bounds conditions, imports, their absence, and answers of names.
	soon = 20 * time.Second
	// slicesBound bounds EndpointSlices.
	slicesBound = time.Minute
	// setupBound bounds pods of ours, execBound one command in them.
	setupBound, execBound = 2 * time.Minute, 15 * time.Second
	// stay is how long something must hold; apart is the time between two exports,
	// since times of creation are whole seconds.
	stay, apart = 5 * time.Second, 1100 * time.Millisecond
	// cleanupBound bounds the end of all namespaces, poll is the pause between two looks.
	cleanupBound, poll = 2 * time.Minute, 250 * time.Millisecond
)

func (o *Options) complete() {
	if o.DNSDomain == "" {
		o.DNSDomain = defaultDomain
	}
	if o.Image == "" {
		o.Image = DefaultImage
	}
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
}

// Check rejects what no run can take, before any cluster is contacted.
func (o Options) Check() error {
	_, err := o.Select()
	if o.DNSDomain != "" {
		if wrong := validation.IsDNS1123Subdomain(o.DNSDomain); len(wrong) > 0 {
			err = errors.Join(err, problem.New(problem.Input, "BadDomain", "%q is no zone: %s", o.DNSDomain, wrong[0]))
		}
	}
	return err
}

// Run runs the selected cases and removes what they made, also where ctx ends. The
// report is complete whatever the cases come to: Report.Err tells the exit code. The
// error is of a run that was rejected or cut short.
func Run(ctx context.Context, members []Member, o Options) (*Report, error) {
	o.complete()
	if len(members) == 0 {
		return nil, problem.New(problem.Input, "NoClusters", "no cluster to look at").WithFix("name at least one cluster")
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	cases, err := o.Select()
	if err != nil {
		return nil, err
	}
	r := &run{members: members, options: o, id: randomName("")}
	started := time.Now()
	notes := r.sweep(ctx, started)
	rows := r.all(ctx, cases)
	notes = append(notes, r.settle(ctx)...)
	report := newReport(o, members, rows, started, notes)
	if ctx.Err() != nil {
		return report, problem.New(problem.Deadline, "Interrupted", "the cases were not run to their end").
			Because(context.Cause(ctx)).WithFix("run it again with a longer --timeout; what it made was removed")
	}
	return report, nil
}

// run is one run over some members.
type run struct {
	members []Member
	options Options
	// id marks the namespaces of this run.
	id string
}

// all runs cases, some at once. Those with pods begin: they take longest.
func (r *run) all(ctx context.Context, cases []Case) []Row {
	rows := make([]Row, len(cases))
	places := make(chan struct{}, r.options.Parallel)
	var group sync.WaitGroup
	for _, longest := range []bool{true, false} {
		for i, one := range cases {
			if one.pods() != longest {
				continue
			}
			places <- struct{}{}
			group.Go(func() {
				defer func() { <-places }()
				rows[i] = r.one(ctx, one)
				r.options.Progress(fmt.Sprintf("case %d %s: %s", one.Number, rows[i].Outcome, one.Title))
			})
		}
	}
	group.Wait()
	return rows
}

// one runs a case.
func (r *run) one(ctx context.Context, c Case) Row {
	row := Row{Case: c}
	if least := c.least(); len(r.members) < least {
		row.Outcome, row.Message = Skipped, fmt.Sprintf("needs %d clusters, there are %d", least, len(r.members))
		return row
	}
	started := time.Now()
	row.judge(r.play(ctx, c))
	row.Seconds = time.Since(started).Seconds()
	return row
}

// play makes the scene of a case, runs it, and removes the scene.
func (r *run) play(ctx context.Context, c Case) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	s := r.newScene()
	defer s.remove(context.WithoutCancel(ctx))
	if err := s.setUp(ctx, c); err != nil {
		return err
	}
	return c.run(ctx, s)
}
