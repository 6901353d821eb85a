package report

import (
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Formats lists what Write knows, in the order of the help text.
func Formats() []string { return []string{"text", "json", "yaml", "junit", "html", "md"} }

// Write prints the report in one of Formats.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "", "text":
		return r.text(w)
	case "json":
		return r.json(w)
	case "yaml":
		return r.yaml(w)
	case "junit":
		return r.junit(w)
	case "html":
		return r.html(w)
	case "md":
		return r.markdown(w)
	}
	return problem.New(problem.Input, "UnknownFormat", "unknown report format %q", format).
		WithFix("use one of %v", Formats())
}

func (r *Report) json(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

func (r *Report) yaml(w io.Writer) error {
	data, err := yaml.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = w.Write(data)
	return err
}
