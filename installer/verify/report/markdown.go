package report

import (
	"fmt"
	"io"
	"strings"
)

// markdown is the form for a pull request or a wiki.
func (r *Report) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# eastwest verify\n\n%s\n\n## Links\n\nA row calls, a column answers (p50/p99).\n\n", plain(r.verdict()))
	row(&b, append([]string{""}, r.names()...))
	row(&b, append([]string{"---"}, repeat("---", len(r.Members))...))
	for _, consumer := range r.names() {
		row(&b, append([]string{"**" + plain(consumer) + "**"}, r.cells(consumer)...))
	}
	if len(r.Shared) > 0 {
		b.WriteString("\n## Shared service\n\n")
		row(&b, []string{"caller", "who answered (weight)", "verdict"})
		row(&b, repeat("---", 3))
		for _, s := range r.Shared {
			var parts []string
			for _, v := range s.Versions {
				parts = append(parts, v.share())
			}
			row(&b, []string{s.Consumer, strings.Join(parts, ", "), s.outcome()})
		}
	}
	if len(r.Findings) > 0 {
		b.WriteString("\n## Findings\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", plain(f.title()), plain(f.Seen))
		if f.Object != "" {
			fmt.Fprintf(&b, "- object: %s in %s\n", plain(f.Object), plain(f.Cluster))
		}
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "- seen: %s\n", plain(e))
		}
		if f.Fix != "" {
			fmt.Fprintf(&b, "- **fix:** %s\n", plain(f.Fix))
		}
	}
	for i, note := range r.Notes {
		if i == 0 {
			b.WriteString("\n## Notes\n\n")
		}
		fmt.Fprintf(&b, "- %s\n", plain(note))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func row(b *strings.Builder, cells []string) {
	for _, c := range cells {
		fmt.Fprintf(b, "| %s ", plain(c))
	}
	b.WriteString("|\n")
}

// plain keeps text from clusters from being read as markup.
func plain(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "`", "'", "\n", " ").Replace(text)
}

func repeat(text string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = text
	}
	return all
}
