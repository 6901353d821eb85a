package cli

import "github.com/spf13/cobra"

// newMCS is the parent of what is about multi-cluster Services.
func newMCS(env *Env, global *globalFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "mcs", GroupID: "mesh",
		Short: "Multi-cluster Services: turn them on and off, show how each member stands, and try them",
		Example: `  eastwest mcs describe -f mesh.yaml
  eastwest mcs enable -f mesh.yaml
  eastwest mcs conformance -f mesh.yaml -o html > report.html`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMCSEnable(env, global), newMCSDisable(env, global), newMCSDescribe(env, global), newConformance(env, global))
	return cmd
}
