package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// text is the form for a terminal: the verdict, the matrix, who answered, then
// every finding with its evidence and fix.
func (r *Report) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.verdict())
	r.textMatrix(&b)
	r.textShared(&b)
	for _, m := range r.Members {
		if m.Failed {
			fmt.Fprintf(&b, "\ncluster %s took no part: %s\n", m.Name, m.Reason)
		}
	}
	for _, f := range r.Findings {
		f.text(&b)
	}
	for i, note := range r.Notes {
		if i == 0 {
			b.WriteString("\nnotes\n")
		}
		fmt.Fprintf(&b, "  %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) textMatrix(b *strings.Builder) {
	b.WriteString("\nlinks: a row calls, a column answers (p50/p99)\n")
	table := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "  \t%s\n", strings.Join(r.names(), "\t"))
	for _, consumer := range r.names() {
		fmt.Fprintf(table, "  %s\t%s\n", consumer, strings.Join(r.cells(consumer), "\t"))
	}
	_ = table.Flush() // a strings.Builder does not fail
}

func (r *Report) textShared(b *strings.Builder) {
	if len(r.Shared) == 0 {
		return
	}
	b.WriteString("\nshared service helloworld: answers of each version (weight in the caller's Envoy)\n")
	table := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	for _, s := range r.Shared {
		row := []string{"  " + s.Consumer}
		for _, v := range s.Versions {
			row = append(row, v.share())
		}
		fmt.Fprintf(table, "%s\t%s\n", strings.Join(row, "\t"), s.outcome())
	}
	_ = table.Flush()
}

func (f Finding) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", f.title())
	fmt.Fprintf(b, "  %s\n", f.Seen)
	if f.Object != "" {
		fmt.Fprintf(b, "  object: %s in %s\n", f.Object, f.Cluster)
	}
	for _, e := range f.Evidence {
		fmt.Fprintf(b, "  seen: %s\n", e)
	}
	if f.Fix != "" {
		fmt.Fprintf(b, "  fix: %s\n", f.Fix)
	}
}

// title names the check and the links: "FAIL gateway-tcp  east -> west".
func (f Finding) title() string {
	word := strings.ToUpper(string(f.Severity))
	if len(f.Links) == 0 {
		return strings.TrimSpace(fmt.Sprintf("%s %s  %s", word, f.Check, f.Cluster))
	}
	return fmt.Sprintf("%s %s  %s", word, f.Check, strings.Join(f.Links, ", "))
}
