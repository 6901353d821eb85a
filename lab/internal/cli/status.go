package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/lab"
)

func newStatus(s streams) *cobra.Command {
	var name, output string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show clusters, addresses, files and states",
		Example: "  lab status\n  lab status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := lab.Open(name)
			if err != nil {
				return err
			}
			status := l.Status(cmd.Context())
			switch output {
			case "json":
				enc := json.NewEncoder(s.out)
				enc.SetIndent("", "  ")
				return enc.Encode(status)
			case "text":
				return printStatus(s, status)
			}
			return fmt.Errorf("output %q: want text or json", output)
		},
	}
	addName(cmd, &name)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printStatus(s streams, status lab.Status) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tREADY\tNODE\tLB RANGE\tNETWORK\tREVISION\tMEMORY\tNOT RUNNING\tKUBECONFIG")
	for _, c := range status.Clusters {
		var dead []string
		for _, p := range c.Components {
			if p.State != lab.StateRunning {
				dead = append(dead, p.Name)
			}
		}
		fmt.Fprintf(w, "%s\t%t\t%s\t%s\t%s\t%s\t%d MiB\t%s\t%s\n", c.Name, c.Ready, c.NodeIP, c.LBRange,
			orDash(c.Network), orDash(c.Revision), c.MemoryBytes>>20, orDash(strings.Join(dead, ",")), c.Kubeconfig)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range status.Clusters {
		if c.Problem != "" {
			fmt.Fprintf(s.out, "%s: %s\n", c.Name, c.Problem)
		}
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
