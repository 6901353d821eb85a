package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
)

func newMCSEnable(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	cmd := &cobra.Command{
		Use:   "enable",
		Short: "Turn multi-cluster Services on in the named clusters",
		Long: `Turns multi-cluster Services on in clusters that eastwest up has joined, where they
are on already unless somebody turned them off. Brings the types, tells the agent,
says which cluster of which set each one is (ClusterProperty), and waits until every
agent finds every member ready for use. A dialect that another controller owns in a
cluster, such as GKE or Cilium, stays off there.`,
		Example: `  eastwest mcs enable -f mesh.yaml
  eastwest mcs enable --kubeconfig east=east.yaml --kubeconfig west=west.yaml --dry-run`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters,
		options: func() installer.Options { return flags.options(env) },
		do: func(ctx context.Context, s *session) error {
			return s.report(flags.run.dryRun, s.in.EnableMCS(ctx))
		},
	}.run
	flags.add(cmd, false)
	return cmd
}

func newMCSDisable(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	cmd := &cobra.Command{
		Use:   "disable",
		Short: "Withdraw all exports of the named clusters and turn multi-cluster Services off in them",
		Long: `Lists the ServiceExports of the named clusters in both dialects and asks. Then it
removes them, waits until no cluster imports what they stood for, and turns
multi-cluster Services off: no import, no name of clusterset.local and no
ClusterProperty is left. The mesh and its gateways stay. A run that was interrupted is
taken up by the next one. ServiceExports of a dialect that another controller owns in
a cluster are left alone.`,
		Example: `  eastwest mcs disable -f mesh.yaml
  eastwest mcs disable -f mesh.yaml --dry-run
  eastwest mcs disable --context east --context west --yes`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters,
		options: func() installer.Options {
			options := flags.options(env)
			if flags.run.yes {
				options.Confirm = nil // answered already
			}
			return options
		},
		check: func(config.Mesh) error {
			if env.Interactive {
				return nil // asked once it is known what would be removed
			}
			return flags.run.confirm(env, "Remove all ServiceExports of these clusters and turn multi-cluster Services off?")
		},
		do: func(ctx context.Context, s *session) error {
			return s.report(flags.run.dryRun, s.in.DisableMCS(ctx))
		},
	}.run
	flags.add(cmd, false)
	return cmd
}
