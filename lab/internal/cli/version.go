package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/lab"
)

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of the lab and what it runs",
		Example: "  lab version",
		Args:    cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			version := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
			}
			fmt.Fprintf(s.out, "lab %s\n", version)
			for _, v := range lab.Versions() {
				fmt.Fprintln(s.out, v)
			}
		},
	}
}
