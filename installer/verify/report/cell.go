package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// names are the members in the order of the input.
func (r *Report) names() []string {
	var all []string
	for _, m := range r.Members {
		all = append(all, m.Name)
	}
	return all
}

// cell is the text of one cell of the matrix.
func (l Link) cell() string {
	switch l.State {
	case OK:
		return fmt.Sprintf("ok %s/%sms", millis(l.P50ms), millis(l.P99ms))
	case Broken:
		if l.Hop != "" {
			return "FAIL " + l.Hop
		}
		return "FAIL"
	case Flaky:
		return fmt.Sprintf("FLAKY %d/%d", l.Good, l.Sent)
	case Unreachable:
		return "unreachable"
	case Unexpected:
		return "-"
	case Skipped:
		return "not tested"
	}
	return "?"
}

// cells are one row of the matrix, in the order of names.
func (r *Report) cells(consumer string) []string {
	var row []string
	for _, producer := range r.names() {
		text := "-"
		if l, ok := r.Link(consumer, producer); ok {
			text = l.cell()
		}
		row = append(row, text)
	}
	return row
}

func millis(ms float64) string {
	if ms < 10 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// verdict is the line above all else.
func (r *Report) verdict() string {
	good, all := r.Counts()
	word := "PASSED"
	if !r.Passed {
		word = "FAILED"
	}
	fails, warns := 0, 0
	for _, f := range r.Findings {
		if f.Severity == Fail {
			fails++
		} else {
			warns++
		}
	}
	text := fmt.Sprintf("%s: %d of %d links answer", word, good, all)
	if fails > 0 {
		text += ", " + plural(fails, "failure")
	}
	if warns > 0 {
		text += ", " + plural(warns, "warning")
	}
	return fmt.Sprintf("%s (run %s, %.0f s)", text, r.Run, r.Seconds)
}

// share is one line on who answered: "v1 east 10 (50 %)".
func (v Version) share() string {
	return fmt.Sprintf("%s %s %d (%.0f %%)", v.Version, v.Member, v.Count, v.Weight*100)
}

// outcome is the end of a line on the shared service.
func (s Share) outcome() string {
	switch {
	case s.State == Skipped || s.State == Unreachable:
		return "not judged: " + s.Reason
	case s.Sent != s.Good:
		return fmt.Sprintf("%s: %s", strings.ToUpper(string(s.State)), failures(s.Failures))
	case s.State == OK:
		return fmt.Sprintf("ok, p=%.3g", s.P)
	}
	return fmt.Sprintf("%s, p=%.3g", strings.ToUpper(string(s.State)), s.P)
}

// failures are counts in a fixed order: "timeout 3, HTTP 503 1".
func failures(counts map[string]int) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s x%d", what, counts[what]))
	}
	return strings.Join(all, ", ")
}
