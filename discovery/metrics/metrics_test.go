package metrics

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// facts use every field.
func facts() Facts {
	at := time.Unix(1_700_000_000, 0)
	count := map[string]int{"Reason": 2}
	return Facts{
		Leader: true, Records: count, Untranslated: count, View: View{Services: 3, Endpoints: 4, Complete: true},
		Members: []Member{
			{
				Name: "east", State: model.Ready, Services: 5, Endpoints: 6, Objects: map[string]int{"services": 7}, Bytes: 8, Events: 9, Swaps: 10,
				Reopened: map[string]int{"services": 26}, LastEvent: at, Expires: at, Faults: count, Problems: count, Dropped: count,
				Link:      &Link{Up: true, RTT: 24 * time.Millisecond, Failures: map[string]int{"tcp": 25}},
				Addresses: &Addresses{Kept: true, Restored: 26},
			},
			{Name: "west", State: model.Stale, Link: &Link{}},
		},
		XDS: &XDS{
			Streams: 11, Unacked: 12, Opened: 13, Rejected: count, Responses: 14, Resources: 15, Removed: 16, Bytes: 17,
			Acks: 18, Nacks: 19, StaleNonces: 20,
		},
		DNS: &DNS{
			Answers: map[Answered]int{{"udp", "A", "NOERROR"}: 27}, Truncated: 28, Slipped: 29, Dropped: count, Connections: 30,
			Services: 31, Records: 32, Omitted: 33, Changed: at,
		},
		Snapshot: &Snapshot{Writes: 21, Failures: 22, Bytes: 23, Written: at},
	}
}

// scrape returns what monitoring gets.
func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// ours are the samples of our own metrics, without those of builds and buckets.
func ours(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, prefix) && !strings.HasPrefix(line, buildInfo.Name) && !strings.Contains(line, "_seconds_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestAllFactsAreShown(t *testing.T) {
	t.Parallel()
	r := New(facts)
	r.Took(StageMerge, time.Millisecond)
	text := scrape(t, r)
	golden.Check(t, "testdata/scrape.txt", []byte(ours(text)))
	if !strings.Contains(text, `eastwest_view_build_duration_seconds_count{stage="merge"} 1`) {
		t.Error("no duration is counted")
	}
	for _, definition := range Definitions() {
		if !strings.Contains(text, "# HELP "+definition.Name+" "+definition.Help+"\n# TYPE "+definition.Name+" "+definition.Type+"\n") {
			t.Errorf("%s is not served as it is defined", definition.Name)
		}
	}
}

func TestNothingIsMadeUp(t *testing.T) {
	t.Parallel()
	text := scrape(t, New(func() Facts { return Facts{} }))
	for _, absent := range []string{"xds_", "dns_", "snapshot_", "_timestamp_seconds"} {
		if strings.Contains(ours(text), absent) {
			t.Errorf("%s is there without facts:\n%s", absent, ours(text))
		}
	}
}

func TestNamesAndHelp(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(scrape(t, New(facts)))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range problems {
		if strings.HasPrefix(one.Metric, prefix) {
			t.Errorf("%s: %s", one.Metric, one.Text)
		}
	}
}

// TestReference keeps the page of docs/reference equal to the code.
func TestReference(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString("# Metrics of the agent\n\nMade from the code: `go test ./discovery/metrics -update`. " +
		"Served as `/metrics` on the health port, with the usual metrics of Go programs and processes.\n\n" +
		"| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, one := range Definitions() {
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", one.Name, one.Type, strings.Join(one.Labels, ", "), one.Help)
	}
	golden.Check(t, "../../docs/reference/metrics.md", []byte(page.String()))
}

// used finds our metrics in a rule or a dashboard.
var used = regexp.MustCompile(`\beastwest_[a-z0-9_]+`)

// TestWhatRulesAndDashboardsUseExists reads what the chart brings.
func TestWhatRulesAndDashboardsUseExists(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, one := range Definitions() {
		known[one.Name] = true
		if one.Type == "histogram" {
			known[one.Name+"_bucket"], known[one.Name+"_sum"], known[one.Name+"_count"] = true, true, true
		}
	}
	seen := map[string]bool{}
	for _, path := range []string{"templates/prometheusrule.yaml", "dashboards/eastwest-agent.json"} {
		text, err := os.ReadFile(filepath.Join("../../manifests/charts/eastwest-agent", path))
		if err != nil {
			t.Fatal(err)
		}
		names := used.FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s uses no metric", path)
		}
		for _, name := range names {
			seen[name] = true
			if !known[name] {
				t.Errorf("%s uses %s, which does not exist", path, name)
			}
		}
	}
	t.Logf("%d metrics are used", len(seen))
}

func TestTheDashboard(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../../manifests/charts/eastwest-agent/dashboards/eastwest-agent.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID != "eastwest-agent" {
		t.Errorf("its UID is %q: links to it break", dashboard.UID)
	}
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || len(panel.Targets) == 0 || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("panel %q: its ID is taken, it shows nothing, or it does not fit", panel.Title)
		}
		ids[panel.ID] = true
	}
}

func TestEveryMetricIsInTheList(t *testing.T) {
	t.Parallel()
	var names, sorted []string
	for _, one := range Definitions() {
		names = append(names, one.Name)
	}
	sorted = slices.Compact(slices.Sorted(slices.Values(names)))
	if diff := cmp.Diff(sorted, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	made := regexp.MustCompile(`= (gauge|counter)\(`).FindAllString(read(t, "definition.go"), -1)
	if len(names) != len(made)+1 {
		t.Errorf("%d metrics are listed, %d are made", len(names), len(made)+1)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
