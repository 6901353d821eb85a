// Package installer is the facade over N clusters: it connects to them, judges
// what it finds, and takes the steps of a mesh in order. It reads as a table of
// contents; how each step is done is in the packages below it.
//
// A dead cluster costs its own rows, never the others'.
package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Options of a run.
type Options struct {
	// Observe is told of each step; nil: silence.
	Observe func(Event)
	// DryRun plans and writes nothing.
	DryRun bool
	// Adopt takes over objects of other field managers.
	Adopt bool
	// NoWait returns without waiting for rollouts and addresses.
	NoWait bool
	// Confirm asks the operator a question; nil: nobody is there to ask.
	Confirm func(question string) bool
	// ForceSameNetwork accepts equal network names without proof.
	ForceSameNetwork bool
	// PilotCertProvider is rendered into gateways instead of the injector's; empty: the injector's.
	PilotCertProvider string
	// SingleCluster makes gateways for one cluster each, without a network.
	// Ambient plans Gateway API objects instead.
	SingleCluster, Ambient bool
	// StepTimeout bounds one step in one cluster, default 3 minutes.
	StepTimeout time.Duration
}

// State is how far a step is.
type State string

// The states of a step.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
	Note    State = "note"
)

// Event is progress: one step in one cluster.
type Event struct {
	Cluster string
	Step    string
	State   State
	Text    string
}

// Cluster is one wanted member with its checked kubeconfig.
type Cluster struct {
	Spec       v1alpha1.Cluster
	Kubeconfig *kubeconfig.Cluster
}

// Installer holds the connections of one run.
type Installer struct {
	mesh    v1alpha1.Mesh
	options Options
	sites   []*site
	// dataplane is what carries the traffic; see checkDataplane.
	dataplane string

	mu     sync.Mutex
	report Report
}

// site is one member during a run.
type site struct {
	spec       v1alpha1.Cluster
	kubeconfig *kubeconfig.Cluster
	member     *member.Member
	facts      *member.Facts
	applier    *apply.Applier
	// mcs is its agent's part in multi-cluster Services, once Agent has found it out.
	mcs v1alpha1.AgentMCS
	// err is why this member is out of the run.
	err error
}

func (s *site) name() string { return s.spec.Name }

func (s *site) alive() bool { return s.err == nil }

// gather reads the facts of the member anew; old ones stay where that fails.
func (s *site) gather(ctx context.Context) error {
	facts, err := s.member.Gather(ctx)
	if err == nil {
		s.facts = facts
	}
	return err
}

// plane is the istiod in use; preflight has made sure that there is one.
func (s *site) plane() *member.ControlPlane { return s.subject().Plane() }

func (s *site) network() string { return s.subject().Network() }

func (s *site) subject() preflight.Subject {
	return preflight.Subject{Name: s.spec.Name, Spec: s.spec, Facts: s.facts}
}

// Connect makes the connections and reads the facts of all members at once.
// Members that cannot be read are out of the run and in the report; the error
// is only of input that no cluster can take.
func Connect(ctx context.Context, mesh v1alpha1.Mesh, clusters []Cluster, options Options) (*Installer, error) {
	if options.StepTimeout == 0 {
		options.StepTimeout = 3 * time.Minute
	}
	in := &Installer{mesh: mesh, options: options}
	in.mesh.Spec.Clusters = nil
	for _, cluster := range clusters {
		connected, err := member.Connect(member.Options{
			Name: cluster.Spec.Name, Config: cluster.Kubeconfig.Config,
			Context: cluster.Kubeconfig.Context, IstioNamespace: mesh.Spec.IstioNamespace,
		})
		if err != nil {
			return nil, problem.New(problem.Input, "KubeconfigInvalid", "no client can be made").On(cluster.Spec.Name).Because(err)
		}
		cluster.Spec.Context = cluster.Kubeconfig.Context
		in.mesh.Spec.Clusters = append(in.mesh.Spec.Clusters, cluster.Spec)
		in.sites = append(in.sites, &site{
			spec: cluster.Spec, kubeconfig: cluster.Kubeconfig, member: connected,
			applier: apply.New(apply.Options{
				Cluster: cluster.Spec.Name, Dynamic: connected.Dynamic, Mapper: connected.Mapper, Adopt: options.Adopt,
			}),
		})
	}
	in.each(ctx, "connect", func(ctx context.Context, s *site) error { return s.gather(ctx) })
	return in, nil
}

// each runs a step in all living members at once. A failure takes that member
// out of the run and is recorded; the others go on.
func (in *Installer) each(ctx context.Context, step string, do func(context.Context, *site) error) {
	var group sync.WaitGroup
	for _, s := range in.sites {
		if !s.alive() {
			continue
		}
		group.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, in.options.StepTimeout)
			defer cancel()
			in.tell(Event{Cluster: s.name(), Step: step, State: Running})
			if err := do(bounded, s); err != nil {
				s.err = located(ctx, err, s.name())
				in.tell(Event{Cluster: s.name(), Step: step, State: Failed, Text: s.err.Error()})
				return
			}
			in.tell(Event{Cluster: s.name(), Step: step, State: Done})
		})
	}
	group.Wait()
}

// located makes sure that an error of one member is a problem that names it. ctx
// is that of the whole run: where it has not ended, a deadline that passed was
// only this member's.
func located(ctx context.Context, err error, cluster string) error {
	var known *problem.Error
	if errors.As(err, &known) {
		return err
	}
	kind := problem.Cluster
	if ctx.Err() != nil {
		kind = problem.Deadline
	}
	return problem.New(kind, "", "%v", err).On(cluster)
}

func (in *Installer) tell(event Event) {
	if in.options.Observe == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.options.Observe(event)
}

// alive lists the members that are still in the run.
func (in *Installer) alive() []*site {
	var living []*site
	for _, s := range in.sites {
		if s.alive() {
			living = append(living, s)
		}
	}
	return living
}

func (in *Installer) site(name string) *site {
	for _, s := range in.sites {
		if s.name() == name {
			return s
		}
	}
	return nil
}

// applySet plans a set in one member, records it, and applies it unless this is
// a dry run. It returns whether anything was, or would be, written.
func (in *Installer) applySet(ctx context.Context, s *site, set apply.Set) (bool, error) {
	plan, err := s.applier.Plan(ctx, set)
	if err != nil {
		return false, err
	}
	return in.carryOut(ctx, s, plan)
}

func (in *Installer) carryOut(ctx context.Context, s *site, plan *apply.Plan) (bool, error) {
	if in.options.DryRun {
		for _, change := range plan.Changes {
			in.record(s, plan.Set, change)
		}
		return plan.Writes() > 0, nil
	}
	err := s.applier.Apply(ctx, plan, func(change apply.Change) { in.record(s, plan.Set, change) })
	return plan.Writes() > 0, err
}

// Err joins what took members out of the run and what else failed.
func (in *Installer) Err() error {
	var all []error
	for _, s := range in.sites {
		if s.err != nil {
			all = append(all, s.err)
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return errors.Join(append(all, in.report.failures...)...)
}

// meshID is the mesh's ID: the one asked for, else what the istiods say.
func (in *Installer) meshID() string {
	if in.mesh.Metadata.Name != "" {
		return in.mesh.Metadata.Name
	}
	for _, s := range in.alive() {
		if plane := s.plane(); plane != nil && plane.MeshID != "" {
			return plane.MeshID
		}
	}
	return ""
}

// without lists the checks to run, all if none is named, less one.
func without(only []string, excluded string) []string {
	if len(only) == 0 {
		for _, check := range preflight.Checks() {
			only = append(only, check.ID)
		}
	}
	return slices.DeleteFunc(slices.Clone(only), func(id string) bool { return id == excluded })
}

// Preflight runs the checks on the members that answered and records the
// findings. Without names all checks are run.
func (in *Installer) Preflight(ctx context.Context, only ...string) error {
	input := preflight.Input{Mesh: in.mesh, ForceSameNetwork: in.options.ForceSameNetwork, FlatProved: map[string]bool{}}
	for _, s := range in.alive() {
		input.Subjects = append(input.Subjects, s.subject())
	}
	findings := preflight.Run(input, without(only, preflight.SameNetworkCheck)...)
	// Whether equal networks are flat is found out by probe pods, so it is asked
	// last, and not where something else is in the way already.
	if preflight.Err(findings) == nil && (len(only) == 0 || slices.Contains(only, preflight.SameNetworkCheck)) {
		if shared := preflight.SharedNetworks(input.Subjects); !in.options.ForceSameNetwork {
			in.proveFlat(ctx, shared, input.FlatProved)
		}
		findings = append(findings, preflight.Run(input, preflight.SameNetworkCheck)...)
	}
	in.mu.Lock()
	in.report.Findings = append(in.report.Findings, findings...)
	in.mu.Unlock()
	for _, finding := range findings {
		if finding.Severity == preflight.Warn {
			in.tell(Event{Cluster: fmt.Sprint(finding.Members), Step: "preflight", State: Note, Text: finding.Check + ": " + finding.Detail})
		}
	}
	return preflight.Err(findings)
}
