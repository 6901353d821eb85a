package traffic_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func TestParse(t *testing.T) {
	t.Parallel()
	output := `> west
Hello version: v2, instance: helloworld-v2-758dd55874-6x4t8

200 0.001000 0.004500
@ 0
> east

000 0.000000 3.000123
curl: (28) Connection timed out after 3000 milliseconds
@ 28
> west
upstream connect error

503 0.001000 0.002000
@ 0
> north
Hello version: v3, instance: cut off`
	want := map[string][]traffic.Answer{
		"west": {
			{HTTP: 200, Connect: time.Millisecond, Total: 4500 * time.Microsecond, Version: "v2", Instance: "helloworld-v2-758dd55874-6x4t8"},
			{HTTP: 503, Connect: time.Millisecond, Total: 2 * time.Millisecond},
		},
		"east": {{Exit: 28, Total: 3000123 * time.Microsecond, Detail: "(28) Connection timed out after 3000 milliseconds"}},
	}
	got := traffic.Parse([]byte(output))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, failure := range []string{"", "HTTP 503"} {
		if got["west"][i].Failure() != failure {
			t.Errorf("failure = %q, want %q", got["west"][i].Failure(), failure)
		}
	}
	if a := got["east"][0]; a.Connected() || a.Failure() != "timeout" {
		t.Errorf("%+v: want a timeout that never connected", a)
	}
}

func TestSummarise(t *testing.T) {
	t.Parallel()
	var answers []traffic.Answer
	for i := range 100 {
		answers = append(answers, traffic.Answer{HTTP: 200, Version: fmt.Sprintf("v%d", i%2+1), Total: time.Duration(100-i) * time.Millisecond})
	}
	answers = append(answers, traffic.Answer{Exit: traffic.ExitReset}, traffic.Answer{HTTP: 503}, traffic.Answer{HTTP: 503})
	want := traffic.Summary{
		Sent: 103, Good: 100, P50: 50 * time.Millisecond, P99: 99 * time.Millisecond,
		Failures: map[string]int{"connection reset": 1, "HTTP 503": 2}, Versions: map[string]int{"v1": 50, "v2": 50},
	}
	if diff := cmp.Diff(want, traffic.Summarise(answers)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(traffic.Summary{Failures: map[string]int{}, Versions: map[string]int{}}, traffic.Summarise(nil)); diff != "" {
		t.Error(diff)
	}
}

// TestScriptsRun runs the very shell text against a local server.
func TestScriptsRun(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/hello") {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, "Hello version: v1, instance: here")
	}))
	defer server.Close()
	run := func(command []string) map[string][]traffic.Answer {
		t.Helper()
		output, err := exec.CommandContext(t.Context(), command[0], command[1:]...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return traffic.Parse(output)
	}
	once := run(traffic.Once(2*time.Second, []traffic.Target{
		{Name: "a", URL: server.URL + "/hello?x=1"}, {Name: "b", URL: server.URL + "/other"}, {Name: "c", URL: "http://127.0.0.1:1/hello"},
	}))
	if len(once["a"]) != 1 || !once["a"][0].OK() {
		t.Errorf("a: %+v", once["a"])
	}
	if len(once["b"]) != 1 || once["b"][0].Failure() != "HTTP 404" || !once["b"][0].Connected() {
		t.Errorf("b: %+v", once["b"])
	}
	if len(once["c"]) != 1 || once["c"][0].Exit != traffic.ExitConnect || once["c"][0].Connected() || once["c"][0].Detail == "" {
		t.Errorf("c: %+v", once["c"])
	}
	load := traffic.Load{
		Target:   traffic.Target{Name: "a", URL: server.URL + "/hello"},
		Requests: 3, Limit: 1500 * time.Millisecond, Budget: 20 * time.Second,
	}
	if s := traffic.Summarise(run(load.Command())["a"]); s.Sent != 3 || s.Good != 3 || s.P50 <= 0 {
		t.Errorf("load: %+v", s)
	}
}
