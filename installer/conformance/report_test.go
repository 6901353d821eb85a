package conformance

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// example has a row of each outcome.
func example() *Report {
	rows := make([]Row, 4)
	for i := range rows {
		rows[i].Case = Cases()[i+14]
		rows[i].Title, rows[i].Reference = "title", "https://example.com/kep"
	}
	rows[0].judge(nil)
	rows[1].judge(errors.Join(errors.New("cluster a: refused"), violated("the labels are <b>")))
	rows[2].judge(errors.New("no pod"))
	rows[3].Outcome, rows[3].Message = Skipped, "needs 2 clusters, there are 1"
	o := Options{Implementation: Implementation{Organization: "o", Project: "p", Version: "v1", URL: "https://example.com"}, DNSDomain: "clusterset.local"}
	r := newReport(o, []Member{{Name: "a", Version: "v1.99.0"}}, rows, time.Unix(0, 0), []string{"a note"})
	r.Suite, r.Seconds = "eastwest test", 12
	return r
}

func TestReportAsText(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := example().Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	want := `NOT CONFORMANT: Optional 1/4 (p v1; clusters a; 12 s)

Optional: 1 of 4
  15  conformant         ExportedLabels  title  0.0 s
  16  not conformant     ExportedLabels  title  0.0 s
  17  could not be told  EndpointSlice   title  0.0 s
  18  skipped            DNS,ClusterIP   title  0.0 s

16 not conformant: title
  cluster a: refused; the labels are <b>
  see: https://example.com/kep

17 could not be told: title
  no pod
  see: https://example.com/kep

18 skipped: title
  needs 2 clusters, there are 1
  see: https://example.com/kep

notes
  a note
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestReportAsHTMLEscapesWhatClustersSay(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := example().Write(&b, "html"); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"&lt;b&gt;", "Optional: 1 of 4", `<td class="bad">could not be told</td>`, `<td class="none">skipped</td>`, "a note"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the page lacks %q:\n%s", part, b.String())
		}
	}
}

func TestReportAsJSONAndYAMLHasOneShape(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := example().Write(&b, "json"); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	group := got["groups"].([]any)[0].(map[string]any)
	want := map[string]any{
		"number": 15.0, "group": "Optional", "labels": []any{"ExportedLabels"}, "desc": "title", "ref": "https://example.com/kep",
		"outcome": "conformant", "seconds": 0.0,
	}
	if diff := cmp.Diff(want, group["tests"].([]any)[0]); diff != "" {
		t.Errorf("a row (-want +got):\n%s", diff)
	}
	var y strings.Builder
	if err := example().Write(&y, "yaml"); err != nil || !strings.Contains(y.String(), "dnsdomain: clusterset.local") {
		t.Errorf("yaml: %v\n%s", err, y.String())
	}
}

func TestExitFollowsTheWorst(t *testing.T) {
	t.Parallel()
	r := example()
	if code := problem.ExitCode(r.Err()); code != problem.ExitCluster {
		t.Errorf("exit code %d, want %d: something could not be told", code, problem.ExitCluster)
	}
	r.Groups[0].Tests = append(r.Groups[0].Tests[:2], r.Groups[0].Tests[3])
	if code := problem.ExitCode(r.Err()); code != problem.ExitUnverified {
		t.Errorf("exit code %d, want %d: something is not conformant", code, problem.ExitUnverified)
	}
	r.Groups[0].Tests = r.Groups[0].Tests[:1]
	if err := r.Err(); err != nil {
		t.Errorf("what is left is conformant, but %v", err)
	}
}

func TestThereAreTheCasesOfTheSuite(t *testing.T) {
	t.Parallel()
	counts := map[Group]int{}
	for i, c := range Cases() {
		if counts[c.Group]++; c.Number != i+1 {
			t.Errorf("case %d is in place %d", c.Number, i+1)
		}
	}
	if diff := cmp.Diff(map[Group]int{Required: 14, Optional: 13, Beyond: 2}, counts); diff != "" {
		t.Errorf("cases of each group (-want +got):\n%s", diff)
	}
}
