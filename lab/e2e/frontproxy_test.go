//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// frontToken is what the front's kubeconfigs are authenticated by.
const frontToken = "front-of-the-lab"

// front stands between eastwest and the API servers of some clusters. It is on
// loopback, as that of kind is.
type front struct {
	// members are the arguments that name the clusters behind it.
	members []string
	// gate, if set, is asked before each request is forwarded.
	gate func(r *http.Request, forward func())
}

// newFront makes a front of clusters, which ends with the test.
func newFront(t *testing.T, indices ...int) *front {
	t.Helper()
	f := &front{}
	for _, i := range indices {
		c := cluster(i)
		config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(f.handler(t, config))
		server.Config.ErrorLog = silence()
		server.StartTLS()
		t.Cleanup(server.Close)
		path := filepath.Join(t.TempDir(), c.Name)
		if err := os.WriteFile(path, frontKubeconfig(c.Context, server), 0o600); err != nil {
			t.Fatal(err)
		}
		f.members = append(f.members, "--kubeconfig", c.Name+"="+path)
	}
	return f
}

// handler forwards with the administrator's certificate what bears the front's
// token, and with its own token what bears another.
func (f *front) handler(t *testing.T, config *rest.Config) http.Handler {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	forwarder := func(config *rest.Config) *httputil.ReverseProxy {
		transport, err := rest.TransportFor(config)
		if err != nil {
			t.Fatal(err)
		}
		return &httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport:     transport,
			FlushInterval: -1,
			ErrorLog:      silence(),
		}
	}
	admin, other := forwarder(config), forwarder(rest.AnonymousClientConfig(config))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forward := func() { other.ServeHTTP(w, r) }
		if r.Header.Get("Authorization") == "Bearer "+frontToken {
			r.Header.Del("Authorization")
			forward = func() { admin.ServeHTTP(w, r) }
		}
		if f.gate == nil {
			forward()
			return
		}
		f.gate(r, forward)
	})
}

// silence is a log nobody reads: killed clients are what the front is for.
func silence() *log.Logger { return log.New(io.Discard, "", 0) }

func frontKubeconfig(name string, server *httptest.Server) []byte {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: %[1]s
contexts: [{name: %[1]s, context: {cluster: %[1]s, user: %[1]s}}]
users: [{name: %[1]s, user: {token: %[2]s}}]
clusters:
- name: %[1]s
  cluster:
    server: %[3]s
    certificate-authority-data: %[4]s
`, name, frontToken, server.URL, base64.StdEncoding.EncodeToString(authority))
}

// isWrite reports whether a request is meant to change a stored object.
func isWrite(r *http.Request) bool {
	return (r.Method == http.MethodPost || r.Method == http.MethodPatch || r.Method == http.MethodPut || r.Method == http.MethodDelete) &&
		!strings.Contains(r.URL.RawQuery, "dryRun=All") && !strings.Contains(r.URL.Path, "reviews") &&
		!strings.HasSuffix(r.URL.Path, "/exec") && !strings.HasSuffix(r.URL.Path, "/portforward")
}
