package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/eastwest-mesh/eastwest/installer"
)

// printDNS prints what became of the members' own DNS; nothing where all leave it
// alone.
func printDNS(out io.Writer, report installer.Report) error {
	shown := false
	for _, one := range report.DNS {
		shown = shown || one.State != "off"
	}
	if !shown {
		return nil
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLUSTER\tDNS\tANSWER\tBROKEN AT\tWHERE")
	for _, one := range report.DNS {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.Cluster, one.State, dash(one.Answer), dash(one.Hop), dash(strings.Join(one.Places, "; ")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, one := range report.DNS {
		printDNSSteps(out, one)
	}
	return nil
}

// printDNSSteps says why a member's DNS is as it is, and what a person does.
func printDNSSteps(out io.Writer, one installer.DNSReport) {
	if one.Answer != "" && one.Hop == "" {
		return
	}
	if one.Detail != "" {
		fmt.Fprintf(out, "%s: %s\n", one.Cluster, one.Detail)
	}
	for _, step := range one.Steps {
		fmt.Fprintf(out, "  step: %s\n", strings.ReplaceAll(strings.TrimRight(step, "\n"), "\n", "\n    "))
	}
	if one.Fix != "" {
		fmt.Fprintf(out, "  fix: %s\n", one.Fix)
	}
}
