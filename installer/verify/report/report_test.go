package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/installer/verify/report"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// sample has one of everything that a person must be able to read.
func sample() *report.Report {
	return &report.Report{
		APIVersion: report.APIVersion, Kind: report.Kind, Run: "6a61cb", Namespace: "eastwest-verify-6a61cb",
		Started: time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC), Seconds: 31.2, Confidence: 0.999,
		Members: []report.Member{
			{Name: "east", ClusterID: "c1", Network: "n1", Version: "v1", Ready: true},
			{Name: "west", ClusterID: "c2", Network: "n2", Version: "v2", Ready: true},
			{Name: "north", Version: "v3", Failed: true, Reason: "its API server did not answer within 10s"},
		},
		Links: []report.Link{
			{Consumer: "east", Producer: "east", State: report.OK, Sent: 20, Good: 20, P50ms: 4.2, P99ms: 9},
			{Consumer: "east", Producer: "west", State: report.Broken, Hop: "gateway", Check: "gateway-tcp"},
			{Consumer: "east", Producer: "north", State: report.Unreachable},
			{Consumer: "west", Producer: "east", State: report.Flaky, Sent: 20, Good: 18, Failures: map[string]int{"timeout": 2}},
			{Consumer: "west", Producer: "west", State: report.OK, Sent: 20, Good: 20, P50ms: 12.3, P99ms: 30},
			{Consumer: "west", Producer: "north", State: report.Unexpected},
		},
		Shared: []report.Share{
			{Consumer: "east", State: report.Skipped, Reason: "the link to west is not proved"},
			{Consumer: "west", State: report.Skewed, Sent: 21, Good: 21, P: 2.1e-5, Versions: []report.Version{
				{Version: "v1", Member: "east", Weight: 0.5, Count: 20}, {Version: "v2", Member: "west", Weight: 0.5, Count: 1},
			}},
		},
		Findings: []report.Finding{
			{
				Check: "gateway-tcp", Hop: "gateway", Severity: report.Fail, Links: []string{"east -> west"},
				Cluster: "west", Object: "Service istio-system/gw", Seen: "a pod of east cannot connect to <10.0.0.1>:15443: timeout",
				Evidence: []string{"TCP: timeout | once"}, Fix: "open TCP 10.0.0.1:15443",
			},
			{Check: "shared-share", Severity: report.Warn, Cluster: "west", Seen: "answers do not fit", Fix: "look"},
		},
		Notes: []string{"cluster east: could not read Sidecars: forbidden"},
	}
}

const wantText = `FAILED: 2 of 5 links answer, 1 failure, 1 warning (run 6a61cb, 31 s)

links: a row calls, a column answers (p50/p99)
          east           west           north
  east    ok 4.2/9.0ms   FAIL gateway   unreachable
  west    FLAKY 18/20    ok 12/30ms     -
  north   -              -              -

shared service helloworld: answers of each version (weight in the caller's Envoy)
  east   not judged: the link to west is not proved
  west   v1 east 20 (50 %)   v2 west 1 (50 %)   SKEWED, p=2.1e-05

cluster north took no part: its API server did not answer within 10s

FAIL gateway-tcp  east -> west
  a pod of east cannot connect to <10.0.0.1>:15443: timeout
  object: Service istio-system/gw in west
  seen: TCP: timeout | once
  fix: open TCP 10.0.0.1:15443

WARN shared-share  west
  answers do not fit
  fix: look

notes
  cluster east: could not read Sidecars: forbidden
`

func write(t *testing.T, format string) string {
	t.Helper()
	var b bytes.Buffer
	if err := sample().Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(wantText, write(t, "text")); diff != "" {
		t.Error(diff)
	}
}

func TestJSONAndYAMLAreTheWholeReport(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "yaml"} {
		var got report.Report
		if err := yaml.UnmarshalStrict([]byte(write(t, format)), &got); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if diff := cmp.Diff(sample(), &got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

// TestJSONNames holds the names that scripts use.
func TestJSONNames(t *testing.T) {
	t.Parallel()
	var got map[string]any
	if err := json.Unmarshal([]byte(write(t, "json")), &got); err != nil {
		t.Fatal(err)
	}
	if got["apiVersion"] != "eastwest.dev/v1alpha1" || got["kind"] != "VerifyReport" || got["passed"] != false {
		t.Errorf("head: %v %v %v", got["apiVersion"], got["kind"], got["passed"])
	}
	link := got["links"].([]any)[1].(map[string]any)
	want := map[string]any{
		"consumer": "east", "producer": "west", "state": "broken", "sent": 0.0, "good": 0.0, "hop": "gateway", "check": "gateway-tcp",
	}
	if diff := cmp.Diff(want, link); diff != "" {
		t.Error(diff)
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(write(t, "junit")), &got); err != nil {
		t.Fatal(err)
	}
	// Of six links three fail and one is not asked for; of two shares one is
	// not judged; of two findings one fails and one warns.
	if got.Tests != 10 || got.Failures != 4 || got.Skipped != 3 {
		t.Errorf("tests %d, failures %d, skipped %d", got.Tests, got.Failures, got.Skipped)
	}
	broken := got.Suites[0].Cases[1]
	if broken.Name != "east -> west" || broken.Failure == nil || !strings.Contains(broken.Failure.Text, "fix: open TCP") {
		t.Errorf("the broken link: %+v", broken)
	}
}

func TestHTMLIsOneEscapedFile(t *testing.T) {
	t.Parallel()
	page := write(t, "html")
	for _, want := range []string{
		`<td class="bad">FAIL gateway</td>`, `<td class="ok">ok 4.2/9.0ms</td>`, `<td class="none">-</td>`,
		"&lt;10.0.0.1&gt;", "open TCP 10.0.0.1:15443", "could not read Sidecars",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, ban := range []string{"<script", "http://", "https://", "<10.0.0.1>", "src="} {
		if strings.Contains(page, ban) {
			t.Errorf("the page has %q", ban)
		}
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	page := write(t, "md")
	for _, want := range []string{
		"| **east** | ok 4.2/9.0ms | FAIL gateway | unreachable |", "&lt;10.0.0.1&gt;", `timeout \| once`, "- **fix:** open TCP 10.0.0.1:15443",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestWriteRejectsAnUnknownFormat(t *testing.T) {
	t.Parallel()
	if err := sample().Write(&bytes.Buffer{}, "pdf"); problem.ExitCode(err) != problem.ExitInput {
		t.Errorf("err = %v, want exit %d", err, problem.ExitInput)
	}
}

func TestErr(t *testing.T) {
	t.Parallel()
	dead := report.Member{Name: "north", Failed: true, Reason: "no answer"}
	fail := report.Finding{Check: "gateway-tcp", Severity: report.Fail, Seen: "no way", Fix: "open it"}
	warn := report.Finding{Check: "shared-share", Severity: report.Warn}
	cases := map[string]struct {
		report report.Report
		want   int
	}{
		"all proved":          {report.Report{Passed: true}, problem.ExitOK},
		"a warning":           {report.Report{Passed: true, Findings: []report.Finding{warn}}, problem.ExitOK},
		"a broken link":       {report.Report{Findings: []report.Finding{warn, fail}}, problem.ExitUnverified},
		"a dead cluster":      {report.Report{Members: []report.Member{dead}}, problem.ExitCluster},
		"both, the first win": {report.Report{Members: []report.Member{dead}, Findings: []report.Finding{fail}}, problem.ExitCluster},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := problem.ExitCode(c.report.Err()); got != c.want {
				t.Errorf("exit %d, want %d: %v", got, c.want, c.report.Err())
			}
		})
	}
}
