package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func newLeave(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	var name string
	cmd := &cobra.Command{
		Use: "leave CLUSTER", GroupID: "mesh",
		Short: "Take one cluster out of the mesh",
		Long: `Removes, on all named clusters, the credentials that lead to or from CLUSTER, and
the gateway and exposure that eastwest made in it. What it entered into the DNS of
CLUSTER is taken out, and all else in there stays; what somebody edited since is named.
What could not be reached is listed, and a later run cleans it up.`,
		Example: `  eastwest leave west -f mesh.yaml
  eastwest leave west --kubeconfig east=east.yaml --kubeconfig west=west.yaml --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				name = args[0]
				return nil
			}
			return problem.New(problem.Input, "UnknownArgument", "leave takes the name of one cluster, got %d", len(args)).
				WithFix("eastwest leave CLUSTER -f mesh.yaml")
		},
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters,
		options: func() installer.Options { return flags.options(env) },
		check: func(mesh config.Mesh) error {
			if !slices.Contains(clusterNames(&mesh), name) {
				return problem.New(problem.Input, "UnknownCluster", "%q is none of the named clusters", name).
					WithFix("the clusters are %s", strings.Join(clusterNames(&mesh), ", "))
			}
			return flags.run.confirm(env, fmt.Sprintf("Take %s out of the mesh?", name))
		},
		do: func(ctx context.Context, s *session) error {
			return s.report(false, s.in.Leave(ctx, name))
		},
	}.run
	flags.add(cmd, false)
	return cmd
}

func newDown(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	var purge, restart bool
	cmd := &cobra.Command{
		Use: "down", GroupID: "mesh",
		Short: "Remove all that eastwest made from the named clusters",
		Long: `Removes gateways, exposures, accounts and remote secrets that eastwest made, and takes
out of each cluster's own DNS just what it entered. The
CA material in cacerts stays, unless --purge-trust: istiod then goes back to the
CA it made for itself, and istiod and all workloads are restarted.`,
		Example: `  eastwest down -f mesh.yaml
  eastwest down -f mesh.yaml --purge-trust --restart-workloads --yes`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters,
		options: func() installer.Options { return flags.options(env) },
		adjust: func(mesh *config.Mesh) error {
			mesh.Spec.Trust.RestartWorkloads = mesh.Spec.Trust.RestartWorkloads || restart
			return nil
		},
		check: func(config.Mesh) error {
			return flags.run.confirm(env, "Remove all that eastwest made from these clusters?")
		},
		do: func(ctx context.Context, s *session) error {
			return s.report(false, s.in.Down(ctx, purge))
		},
	}.run
	flags.add(cmd, false)
	cmd.Flags().BoolVar(&purge, "purge-trust", false, "remove cacerts that eastwest wrote too")
	cmd.Flags().BoolVar(&restart, "restart-workloads", false, "with --purge-trust: restart what holds certificates of the removed CA")
	return cmd
}
