package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDrainTellsEnvoyInOrder: peers must stop dialling before listeners close.
func TestDrainTellsEnvoyInOrder(t *testing.T) {
	t.Parallel()
	var asked []string
	envoy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
	}))
	defer envoy.Close()
	var out, errors bytes.Buffer
	code := Run(t.Context(), []string{"drain", "--for", "0s", "--admin", strings.TrimPrefix(envoy.URL, "http://")}, &out, &errors)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, &errors)
	}
	if diff := cmp.Diff([]string{"POST /healthcheck/fail", "POST /drain_listeners?graceful"}, asked); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestErrorsOfTheCommandLine have one line and a fix each, and the right exit code.
func TestErrorsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		exit int
		says []string
	}{
		"no such command":          {[]string{"walk"}, 2, []string{`"walk"`}},
		"no such flag":             {[]string{"run", "--confg", "x"}, 2, []string{"--confg", "fix: "}},
		"no such file":             {[]string{"run", "--config", "nowhere.yaml"}, 2, []string{"nowhere.yaml"}},
		"a duration that is none":  {[]string{"drain", "--for", "soon"}, 2, []string{"--for", "fix: "}},
		"a duration that is long":  {[]string{"drain", "--for", "2h"}, 2, []string{"1h"}},
		"nobody at the admin port": {[]string{"drain", "--admin", "127.0.0.1:1", "--for", "0s"}, 3, []string{"Envoy does not drain", "127.0.0.1:1"}},
		"a lookup of nobody":       {[]string{"lookup"}, 2, []string{"--agent", "fix: "}},
		"a lookup for ever":        {[]string{"lookup", "--agent", "127.0.0.1:1", "--for", "2h"}, 2, []string{"1h"}},
		"a level that is none":     {[]string{"run", "--log-level", "loud"}, 2, []string{"loud"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errors bytes.Buffer
			if code := Run(t.Context(), tc.args, &out, &errors); code != tc.exit {
				t.Errorf("exit %d, want %d: %s", code, tc.exit, &errors)
			}
			missing := slices.DeleteFunc(slices.Clone(tc.says), func(text string) bool { return strings.Contains(errors.String(), text) })
			if len(missing) > 0 || out.Len() > 0 {
				t.Errorf("stderr lacks %q, or stdout is not empty: %s%s", missing, &errors, &out)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var out, errors bytes.Buffer
	if code := Run(t.Context(), []string{"version"}, &out, &errors); code != 0 || out.Len() == 0 || errors.Len() > 0 {
		t.Errorf("exit %d: %s%s", code, &out, &errors)
	}
}
