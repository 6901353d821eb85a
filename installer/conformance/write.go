package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Formats lists what Write knows, in the order of the help text.
func Formats() []string { return []string{"text", "json", "yaml", "html"} }

// Write prints the report in one of Formats.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "", "text":
		return r.text(w)
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(r)
	case "yaml":
		return r.yaml(w)
	case "html":
		return r.html(w)
	}
	return problem.New(problem.Input, "UnknownFormat", "unknown report format %q", format).WithFix("use one of %v", Formats())
}

func (r *Report) yaml(w io.Writer) error {
	data, err := yaml.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = w.Write(data)
	return err
}

// text is the form for a terminal: the verdict, then a row for each case.
func (r *Report) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.verdict())
	for _, group := range r.Groups {
		fmt.Fprintf(&b, "\n%s: %d of %d\n", group.Name, group.Passed, group.Total)
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range group.Tests {
			fmt.Fprintf(table, "  %d\t%s\t%s\t%s\t%.1f s\n", row.Number, row.Outcome, strings.Join(row.Labels, ","), row.Title, row.Seconds)
		}
		_ = table.Flush() // a strings.Builder does not fail
	}
	for _, outcome := range []Outcome{NotConformant, Unknown, Skipped} {
		for _, row := range r.rows(outcome) {
			fmt.Fprintf(&b, "\n%d %s: %s\n  %s\n  see: %s\n", row.Number, row.Outcome, row.Title, row.Message, row.Reference)
		}
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

// verdict is the line above all else.
func (r *Report) verdict() string {
	var parts []string
	for _, group := range r.Groups {
		parts = append(parts, fmt.Sprintf("%s %d/%d", group.Name, group.Passed, group.Total))
	}
	word := "CONFORMANT"
	if r.Err() != nil {
		word = "NOT CONFORMANT"
		if len(r.rows(NotConformant)) == 0 {
			word = "COULD NOT BE TOLD"
		}
	}
	names := make([]string, len(r.Clusters))
	for i, cluster := range r.Clusters {
		names[i] = cluster.Name
	}
	return fmt.Sprintf("%s: %s (%s %s; clusters %s; %.0f s)", word, strings.Join(parts, ", "),
		r.Implementation.Project, r.Implementation.Version, strings.Join(names, ", "), r.Seconds)
}

//go:embed report.html.tmpl
var page string

// html is one file without scripts or anything from elsewhere. html/template escapes
// all that clusters say.
func (r *Report) html(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"verdict": r.verdict,
		"join":    func(all []string) string { return strings.Join(all, ", ") },
		"class":   Outcome.class,
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("parse the report's page: %w", err)
	}
	return t.Execute(w, r)
}

// class is the style of a cell; its text says the same.
func (o Outcome) class() string {
	switch o {
	case Conformant:
		return "ok"
	case Skipped:
		return "none"
	}
	return "bad"
}
