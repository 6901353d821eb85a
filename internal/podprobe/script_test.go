package podprobe

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runScript runs the probe's script with this host's sh and curl, in the
// environment that the pod would have.
func runScript(t *testing.T, targets []Target) []Result {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	dir := t.TempDir()
	pod := podFor(Options{Namespace: "x", Image: "y"}, targets)
	local := strings.NewReplacer("/tmp/", dir+"/", "--max-time 8", "--max-time 2").Replace(script)
	command := exec.CommandContext(t.Context(), "sh", "-c", local)
	command.Dir = dir
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, variable := range pod.Spec.Containers[0].Env {
		// The kubelet turns $$ back into $.
		command.Env = append(command.Env, variable.Name+"="+strings.ReplaceAll(variable.Value, "$$", "$"))
	}
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	results, err := parse(out, len(targets))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("a target was run as a command")
	}
	return results
}

// TestScript dials real servers, all of them in one run.
func TestScript(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden) // any answer proves the way
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point here
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()

	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	port := secure.URL[strings.LastIndex(secure.URL, ":"):]
	cases := []struct {
		name   string
		target Target
		want   Result
	}{
		{"a certificate that fits", Target{URL: secure.URL + "/version", CA: ca}, Result{OK: true, Connected: true}},
		{"another name in the certificate", Target{URL: secure.URL + "/version", CA: ca, ServerName: "example.com"}, Result{OK: true, Connected: true}},
		{"plain HTTP", Target{URL: plain.URL}, Result{OK: true, Connected: true}},
		{"a name that is not in it", Target{URL: "https://localhost" + port, CA: ca}, Result{Connected: true, Reason: "its certificate does not fit: "}},
		{"an expected name that is not in it", Target{URL: secure.URL, CA: ca, ServerName: "other.example"}, Result{Connected: true, Reason: "its certificate does not fit: "}},
		{"another authority", Target{URL: secure.URL, CA: otherCA(t)}, Result{Connected: true, Reason: "its certificate does not fit: "}},
		{"no TLS there", Target{URL: strings.Replace(plain.URL, "http:", "https:", 1), CA: ca}, Result{Connected: true, Reason: "curl: (35) "}},
		{"nobody listens", Target{URL: "https://" + gone.Addr().String(), CA: ca}, Result{Reason: "the connection is refused or there is no route"}},
		{"nobody answers", Target{URL: "https://" + silent.Addr().String(), CA: ca}, Result{Reason: "it times out"}},
		{"a command in the URL", Target{URL: "https://127.0.0.1:1/$(touch pwned)`touch pwned`'\";touch pwned", CA: ca}, Result{Reason: "curl: (3) "}},
		{"a command without spaces", Target{URL: "https://127.0.0.1:1/$(touch${IFS}pwned)`touch${IFS}pwned`", CA: ca}, Result{Reason: "the connection is refused or there is no route"}},
		{"a command in the name", Target{URL: secure.URL, CA: ca, ServerName: "$(touch pwned);touch pwned"}, Result{Reason: "curl: ("}},
		{"no URL", Target{}, Result{Reason: "curl: ("}},
	}
	var targets []Target
	for _, tc := range cases {
		targets = append(targets, tc.target)
	}
	for i, got := range runScript(t, targets) {
		tc := cases[i]
		if got.OK != tc.want.OK || got.Connected != tc.want.Connected || !strings.HasPrefix(got.Reason, tc.want.Reason) || (tc.want.Reason == "") != (got.Reason == "") {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// otherCA is an authority that has signed nothing here. All servers of httptest
// share one certificate, so it is made by hand.
func otherCA(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/other-ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	return content
}
