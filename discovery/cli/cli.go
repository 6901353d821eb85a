// Package cli is the command line of the agent: flags, logging and the exit
// code. What the commands do is in discovery.
package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/internal/buildinfo"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Run runs the command line and returns its exit code. It is the one place
// where an error is printed.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "eastwest-agent",
		Short: "The discovery agent: watches all clusters of a mesh and feeds the gateway of its own",
		Args:  noArguments, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return problem.New(problem.Input, "", "%v", err).WithFix("see eastwest-agent --help")
	})
	root.AddCommand(newRun(stderr), newDrain(stderr), newLookup(), newVersion())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return problem.ExitOK
	}
	for _, one := range problem.All(err) {
		fmt.Fprintf(stderr, "error: %v\n", one)
		if one.Fix != "" {
			fmt.Fprintf(stderr, "fix: %s\n", one.Fix)
		}
	}
	return problem.ExitCode(err)
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return problem.New(problem.Input, "", "%s takes no argument, not %q", cmd.CommandPath(), args[0]).
		WithFix("see %s --help", cmd.CommandPath())
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		Example: "  eastwest-agent version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), buildinfo.Version)
			return err
		},
	}
}
