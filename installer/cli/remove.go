package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func newLeave(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	cmd := &cobra.Command{
		Use: "leave CLUSTER", GroupID: "mesh",
		Short: "Take one cluster out of the mesh",
		Long: `Removes, on all named clusters, the credentials that lead to or from CLUSTER, and
the gateway and exposure that eastwest made in it. What could not be reached is
listed, and a later run cleans it up.`,
		Example: `  eastwest leave west -f mesh.yaml
  eastwest leave west --kubeconfig east=east.yaml --kubeconfig west=west.yaml --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(global); err != nil {
				return err
			}
			if len(args) != 1 {
				return problem.New(problem.Input, "UnknownArgument", "leave takes the name of one cluster, got %d", len(args)).
					WithFix("eastwest leave CLUSTER -f mesh.yaml")
			}
			ctx, cancel, err := global.bound(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			known := func(mesh config.Mesh) error {
				for _, cluster := range mesh.Spec.Clusters {
					if cluster.Name == args[0] {
						return nil
					}
				}
				return problem.New(problem.Input, "UnknownCluster", "%q is none of the named clusters", args[0]).
					WithFix("the clusters are %s", strings.Join(clusterNames(&mesh), ", "))
			}
			if !flags.run.dryRun {
				if err := needConfirmation(env, flags.run.yes, fmt.Sprintf("Take %s out of the mesh?", args[0])); err != nil {
					return err
				}
			}
			s, err := connect(ctx, env, global, &flags.clusters, nil, flags.options(env), nil, known)
			if err != nil {
				return err
			}
			return s.report(false, s.in.Leave(ctx, args[0]))
		},
	}
	flags.add(cmd, false)
	return cmd
}

func newDown(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	var purge, restart bool
	cmd := &cobra.Command{
		Use: "down", GroupID: "mesh",
		Short: "Remove all that eastwest made from the named clusters",
		Long: `Removes gateways, exposures, accounts and remote secrets that eastwest made. The
CA material in cacerts stays, unless --purge-trust: istiod then goes back to the
CA it made for itself, and istiod and all workloads are restarted.`,
		Example: `  eastwest down -f mesh.yaml
  eastwest down -f mesh.yaml --purge-trust --restart-workloads --yes`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(global); err != nil {
				return err
			}
			ctx, cancel, err := global.bound(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			if !flags.run.dryRun {
				if err := needConfirmation(env, flags.run.yes, "Remove all that eastwest made from these clusters?"); err != nil {
					return err
				}
			}
			adjust := func(mesh *config.Mesh) error {
				mesh.Spec.Trust.RestartWorkloads = mesh.Spec.Trust.RestartWorkloads || restart
				return nil
			}
			s, err := connect(ctx, env, global, &flags.clusters, nil, flags.options(env), adjust, nil)
			if err != nil {
				return err
			}
			return s.report(false, s.in.Down(ctx, purge))
		},
	}
	flags.add(cmd, false)
	cmd.Flags().BoolVar(&purge, "purge-trust", false, "remove cacerts that eastwest wrote too")
	cmd.Flags().BoolVar(&restart, "restart-workloads", false, "with --purge-trust: restart what holds certificates of the removed CA")
	return cmd
}
