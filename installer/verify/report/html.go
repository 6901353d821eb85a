package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed report.html.tmpl
var page string

// html is one file without scripts or anything from elsewhere, so that it can
// be mailed and kept. html/template escapes all that clusters say.
func (r *Report) html(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"cells":   r.cells,
		"names":   r.names,
		"verdict": r.verdict,
		"outcome": Share.outcome,
		"share":   Version.share,
		"title":   Finding.title,
		"class":   r.class,
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("parse the report's page: %w", err)
	}
	return t.Execute(w, r)
}

// class is the style of a cell. The text says the same, for those who do not
// see colours.
func (r *Report) class(consumer string, column int) string {
	l, ok := r.Link(consumer, r.names()[column])
	switch {
	case !ok || l.State == Unexpected:
		return "none"
	case l.State == OK:
		return "ok"
	}
	return "bad"
}
