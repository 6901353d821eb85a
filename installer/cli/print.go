package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"syscall"
	"text/tabwriter"

	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// checkOutput rejects a form of output that a command does not have.
func checkOutput(global *globalFlags, more ...string) error {
	forms := append([]string{"text", "json", "yaml"}, more...)
	for _, form := range forms {
		if global.output == form {
			return nil
		}
	}
	return problem.New(problem.Input, "InvalidOutput", "--output %q", global.output).
		WithFix("use one of %s", strings.Join(forms, ", "))
}

// printAs prints a value as json or yaml, or by text.
func printAs(out io.Writer, form string, value any, text func(io.Writer) error) error {
	var err error
	switch form {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(value)
	case "yaml":
		var encoded []byte
		if encoded, err = yaml.Marshal(value); err == nil {
			_, err = out.Write(encoded)
		}
	default:
		err = text(out)
	}
	return err
}

// readerGone is standard output. When the one who reads it has gone, what was done
// stays done, and the rest of the answer has no addressee.
type readerGone struct{ out io.Writer }

func (r readerGone) Write(p []byte) (int, error) {
	n, err := r.out.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}

// printReport prints what a run did. diffs shows the fields that differ.
func printReport(env *Env, global *globalFlags, report installer.Report, diffs bool) error {
	return printAs(env.Stdout, global.output, report, func(out io.Writer) error {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, cluster := range report.Clusters {
			for _, change := range cluster.Changes {
				fmt.Fprintf(table, "%s\t%s\t%s\n", cluster.Name, change.Action, objectOf(change))
				for _, field := range change.Diff {
					if diffs {
						fmt.Fprintf(table, "\t\t  %s: %s -> %s\n", field.Path, orAbsent(field.Old), orAbsent(field.New))
					}
				}
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
		return errors.Join(printLinks(out, report), printDNS(out, report))
	})
}

func orAbsent(text string) string {
	if text == "" {
		return "(absent)"
	}
	return text
}

func objectOf(change installer.SetChange) string {
	if change.Namespace == "" {
		return change.Kind + " " + change.Name
	}
	return change.Kind + " " + change.Namespace + "/" + change.Name
}

// printLinks prints the credentials of a report, and says loudly what they can
// read.
func printLinks(out io.Writer, report installer.Report) error {
	if len(report.Links) == 0 {
		return nil
	}
	links := append([]installer.LinkReport{}, report.Links...)
	sort.Slice(links, func(i, j int) bool {
		return links[i].Consumer+" "+links[i].Producer < links[j].Consumer+" "+links[j].Producer
	})
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CONSUMER\tPRODUCER\tAPI SERVER\tTOKEN\tEXPIRES\tCREDENTIAL\tREADS SECRETS")
	for _, link := range links {
		token := link.Token
		if link.Reused {
			token = "reused"
		}
		if link.Error != "" {
			token = "failed"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", link.Consumer, link.Producer,
			dash(link.Server), dash(token), dash(link.Expiry), dash(link.Hash), readsSecrets(link.ReadsSecrets))
	}
	return table.Flush()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
