package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/internal/buildinfo"
)

func newVersion(env *Env, global *globalFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of eastwest",
		Example: "  eastwest version -o json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(global); err != nil {
				return err
			}
			info := buildinfo.Read()
			return printAs(env.Stdout, global.output, info, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "eastwest %s (%s, %s)\n", info.Version, info.Go, info.Platform)
				return err
			})
		},
	}
}

// newExitCodes is a help topic: a command that only has a long text.
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `0   done
1   internal bug
2   input rejected before any contact
3   some clusters failed, the others were done
4   refused for safety
5   verification failed
6   deadline or cancel
10  plan --exit-code: there are changes

Where several apply, the first of 1, 6, 2, 4, 3, 5 is used.`,
	}
}
