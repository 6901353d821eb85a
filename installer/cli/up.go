package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// upFlags are those of up and plan.
type upFlags struct {
	step   stepFlags
	peers  peerFlags
	trust  trustFlags
	verify verifyFlags

	dataplane, trustDomain, dns, mcs string
	agent                            bool
}

func (u *upFlags) add(flags *pflag.FlagSet) {
	u.step.clusters.add(flags)
	u.step.gateway.add(flags)
	u.peers.add(flags)
	u.trust.add(flags)
	u.verify.add(flags)
	u.peers.images.addAll(flags)
	u.peers.images.addAgent(flags)
	flags.StringVar(&u.dataplane, "dataplane", "", "what carries the traffic: istio, or envoy driven by our agent (default: what is found)")
	flags.BoolVar(&u.agent, "agent", false, "beside Istio: run our agent, which holds and renews all credentials, and answers istiod without Secrets")
	flags.StringVar(&u.dns, "dns", "", "who makes each cluster's own DNS ask our agent for clusterset.local: auto, manual prints the steps, off (default auto)")
	flags.StringVar(&u.mcs, "mcs", "", "multi-cluster Services: on or off (default: as each cluster's agent has it, and on where there is none)")
	flags.StringVar(&u.trustDomain, "trust-domain", "", "trust domain of clusters without a mesh (default "+config.DefaultTrustDomain+")")
}

func (u *upFlags) adjust(mesh *config.Mesh) error {
	u.trust.apply(mesh)
	if u.dataplane != "" {
		mesh.Spec.Dataplane = u.dataplane
	}
	mesh.Spec.Agent.BesideIstio = mesh.Spec.Agent.BesideIstio || u.agent
	if u.dns != "" {
		mesh.Spec.DNS = u.dns
	}
	switch on := u.mcs == "on"; u.mcs {
	case "":
	case "on", "off":
		mesh.Spec.MCS.Enabled = &on
	default:
		return problem.New(problem.Input, "InvalidFlag", "--mcs %q", u.mcs).WithFix("use on or off")
	}
	if u.trustDomain != "" {
		mesh.Spec.Trust.Domain = u.trustDomain
	}
	return errors.Join(u.step.gateway.apply(mesh), u.peers.apply(mesh))
}

func (u *upFlags) options(env *Env) installer.Options {
	options := u.step.options(env)
	options.ForceSameNetwork = u.peers.forceNetwork
	return options
}

func newUp(env *Env, global *globalFlags) *cobra.Command {
	flags := &upFlags{step: stepFlags{clusters: clusterFlags{least: 2}}}
	var noVerify bool
	cmd := &cobra.Command{
		Use: "up", GroupID: "mesh",
		Short: "Make one mesh of the named clusters and prove it with traffic",
		Long: `Takes every step of a mesh in order: preflight, trust, gateway, expose,
create-mesh, verify. What is there and works is reused, a second run changes
nothing. A cluster that fails costs its own rows only.

Clusters that run Istio are joined through their istiods. Clusters without a mesh
get our discovery agent and an Envoy that it drives. The two kinds are not mixed.

Where there are agents, each cluster's own DNS is made to ask its agent for
clusterset.local, and a lookup from a pod proves it; what else is in there stays. The
steps are printed where that would not last, and with --dns manual.`,
		Example: `  # Two clusters, roots are equal already
  eastwest up --kubeconfig east=east.yaml --kubeconfig west=west.yaml --source-ranges 203.0.113.0/24

  # Two clusters without a mesh
  eastwest up -f mesh.yaml --init-trust --image-agent reg/eastwest-agent:v1 --image-gateway reg/eastwest-gateway:v1

  # Two clusters that signed their own roots: make a shared one and restart what needs it
  eastwest up -f mesh.yaml --init-trust --replace-ca --restart-workloads`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.step.clusters, adjust: flags.adjust,
		options: func() installer.Options { return flags.options(env) },
		forms: func() []string {
			if noVerify {
				return nil
			}
			return verifyForms
		},
		do: func(ctx context.Context, s *session) error {
			if err := s.in.Up(ctx); err != nil || flags.step.run.dryRun || noVerify || s.in.Err() != nil && len(s.in.Usable()) < 2 {
				return s.report(flags.step.run.dryRun, err)
			}
			return s.proved(ctx, &flags.verify)
		},
	}.run
	flags.add(cmd.Flags())
	flags.step.run.add(cmd.Flags())
	cmd.Flags().BoolVar(&noVerify, "no-verify", false, "leave out the proof by traffic")
	return cmd
}

// proved runs the proof after the steps. As data all is one answer; the forms that
// only a proof by traffic has hold nothing else.
func (s *session) proved(ctx context.Context, flags *verifyFlags) error {
	switch s.global.output {
	case "text":
		s.finish()
		done := s.in.Report()
		done.DNS = nil // shown when it is proved
		printErr := printReport(s.env, s.global, done, false)
		result, err := s.proveAll(ctx, flags)
		if result != nil {
			printErr = errors.Join(printErr, printVerification(s.env.Stdout, s.global.output, result))
		}
		return errors.Join(err, s.in.Err(), printErr, printDNS(s.env.Stdout, s.in.Report()))
	case "json", "yaml":
		result, err := s.proveAll(ctx, flags)
		answer := s.in.Report()
		answer.Verification = result
		printErr := printReport(s.env, s.global, answer, false)
		return errors.Join(s.in.Err(), err, printErr)
	}
	result, err := s.proveAll(ctx, flags)
	if result != nil {
		err = errors.Join(err, printVerification(s.env.Stdout, s.global.output, result))
	}
	return errors.Join(err, s.in.Err())
}

// proveAll proves traffic and names at once: a cluster's DNS takes its time to load a
// change. It ends the progress.
func (s *session) proveAll(ctx context.Context, flags *verifyFlags) (*report.Report, error) {
	named := make(chan struct{})
	go func() {
		defer close(named)
		s.in.ProveDNS(ctx)
	}()
	result, err := s.verify(ctx, flags)
	<-named
	s.finish()
	return result, err
}

func newPlan(env *Env, global *globalFlags) *cobra.Command {
	flags := &upFlags{step: stepFlags{clusters: clusterFlags{least: 2}}}
	var exitCode bool
	cmd := &cobra.Command{
		Use: "plan", GroupID: "mesh",
		Short: "Show what up would do, object by object",
		Long: `Connects to the clusters, runs the preflight checks, and shows by server-side dry
runs what up would create, change or delete. Nothing is written. Secrets are
shown as hashes.`,
		Example: `  eastwest plan -f mesh.yaml
  eastwest plan -f mesh.yaml --exit-code -o json`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.step.clusters, adjust: flags.adjust,
		options: func() installer.Options {
			options := flags.options(env)
			options.DryRun = true
			return options
		},
		do: func(ctx context.Context, s *session) error {
			if err := s.report(true, s.in.Up(ctx)); err != nil {
				return err
			}
			if exitCode && s.in.Report().Writes() > 0 {
				return errChanges
			}
			return nil
		},
	}.run
	flags.add(cmd.Flags())
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 10 where there is something to do")
	return cmd
}

// errChanges says that a plan has changes; Run turns it into exit code 10.
var errChanges = errors.New("the plan has changes")
