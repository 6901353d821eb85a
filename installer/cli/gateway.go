package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// stepFlags are shared by the commands that take one step on clusters.
type stepFlags struct {
	clusters clusterFlags
	gateway  gatewayFlags
	run      runFlags
}

func (f *stepFlags) add(cmd *cobra.Command, withGateway bool) {
	f.clusters.add(cmd.Flags())
	f.run.add(cmd.Flags())
	if withGateway {
		f.gateway.add(cmd.Flags())
	}
}

func (f *stepFlags) options(env *Env) installer.Options {
	return installer.Options{
		DryRun: f.run.dryRun, Adopt: f.gateway.adopt, NoWait: !f.run.wait,
		// What joining merges and restarts is for a person to answer, or a flag of
		// its own; --yes does not.
		Confirm: asker(env),
	}
}

func newGateway(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	var certProvider string
	var single, ambient bool
	cmd := &cobra.Command{
		Use: "gateway", GroupID: "step",
		Short: "Install the east-west gateway in every named cluster",
		Long: `Installs the east-west gateway in every named cluster, or reuses one that works
there, and waits until it is rolled out and has an address. Port 15443 answers
only after expose.`,
		Example: `  eastwest gateway --kubeconfig east.yaml --source-ranges 203.0.113.0/24
  eastwest gateway -f mesh.yaml --dry-run
  eastwest gateway --context east --platform eks --set autoscaling.maxReplicas=8`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters, adjust: flags.gateway.apply,
		options: func() installer.Options {
			options := flags.options(env)
			options.PilotCertProvider, options.SingleCluster, options.Ambient = certProvider, single, ambient
			return options
		},
		check: func(config.Mesh) error {
			if !ambient || flags.run.dryRun {
				return nil
			}
			return problem.New(problem.Input, "AmbientDryRunOnly", "ambient gateways are rendered and planned, not applied").
				WithFix("say --dry-run, or eastwest render --ambient and apply it with kubectl")
		},
		do: func(ctx context.Context, s *session) error {
			if err := s.in.Preflight(ctx, installer.GatewayChecks()...); err != nil {
				return s.report(flags.run.dryRun, err)
			}
			s.in.Gateway(ctx)
			return s.report(flags.run.dryRun)
		},
	}.run
	flags.add(cmd, true)
	cmd.Flags().BoolVar(&single, "single-cluster", false, "a gateway for one cluster, without a network")
	cmd.Flags().BoolVar(&ambient, "ambient", false, "a Gateway API object for ambient mode; with --dry-run only")
	cmd.Flags().StringVar(&certProvider, "pilot-cert-provider", "", "render this pilotCertProvider instead of leaving it to the injector")
	return cmd
}

func newExpose(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	var hosts []string
	cmd := &cobra.Command{
		Use: "expose", GroupID: "step",
		Short: "Let peers reach the services of every named cluster through its gateway",
		Long: `Exposes services on the gateways by SNI: only mutual TLS of the mesh passes, and
it ends at the workload. By default every service (*.local) is exposed.`,
		Example: `  eastwest expose --kubeconfig east.yaml --kubeconfig west.yaml
  eastwest expose -f mesh.yaml --dry-run`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters,
		options: func() installer.Options { return flags.options(env) },
		adjust: func(mesh *config.Mesh) error {
			if len(hosts) > 0 {
				mesh.Spec.Expose.Hosts = hosts
			}
			return nil
		},
		do: func(ctx context.Context, s *session) error {
			if err := s.in.Preflight(ctx, installer.GatewayChecks()...); err != nil {
				return s.report(flags.run.dryRun, err)
			}
			return s.report(flags.run.dryRun, s.in.Expose(ctx))
		},
	}.run
	flags.add(cmd, false)
	cmd.Flags().StringSliceVar(&hosts, "hosts", nil, "host patterns to expose instead of *.local")
	cmd.Flags().BoolVar(&flags.gateway.adopt, "adopt", false, "take over an exposure that kubectl or helm made")
	return cmd
}
