//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// testKubeconfigs are the K rows that need an API server to answer.
func testKubeconfigs(t *testing.T) {
	t.Run("K05 a credential plugin", testPlugin)
	t.Run("K07 credentials in files", testFiles)
	t.Run("K09 a proxy of the operator's own", testProxyURL)
}

// edited is a copy of cluster i's kubeconfig with something changed.
func edited(t *testing.T, i int, edit func(*api.Cluster, *api.AuthInfo)) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(cluster(i).Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	current := config.Contexts[config.CurrentContext]
	edit(config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo])
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// write stores a file that only its owner may read.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func testPlugin(t *testing.T) {
	var answer string
	path := edited(t, 1, func(_ *api.Cluster, user *api.AuthInfo) {
		answer = write(t, "credential", fmt.Appendf(nil,
			`{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"clientCertificateData":%q,"clientKeyData":%q}}`,
			user.ClientCertificateData, user.ClientKeyData))
		*user = api.AuthInfo{Exec: &api.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode,
			Command: "cat", Args: []string{answer},
		}}
	})
	args := join([]string{"create-mesh", "--kubeconfig", "c1=" + path}, members(2))
	r := eastwest(t, append(args, "--no-exec")...)
	r.wantExit(t, 2)
	r.wantErr(t, "KubeconfigExec", "fix: ")
	r = must(t, args...)
	if n := strings.Count(r.stderr, "credential plugin"); n != 1 {
		t.Errorf("the plugin is announced %d times, want once\n%s", n, r)
	}
	wantRemotes(t, 1, 2)
}

func testFiles(t *testing.T) {
	path := edited(t, 1, func(c *api.Cluster, user *api.AuthInfo) {
		c.CertificateAuthority = write(t, "ca", c.CertificateAuthorityData)
		user.ClientCertificate, user.ClientKey = write(t, "cert", user.ClientCertificateData), write(t, "key", user.ClientKeyData)
		c.CertificateAuthorityData, user.ClientCertificateData, user.ClientKeyData = nil, nil, nil
	})
	must(t, join([]string{"create-mesh", "--kubeconfig", "c1=" + path}, members(2))...)
	wantRemotes(t, 1, 2)
}

// testProxyURL: the operator's proxy is used for our own calls and is never
// written for a peer.
func testProxyURL(t *testing.T) {
	var tunnels atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels.Add(1)
		tunnel(w, r)
	}))
	defer proxy.Close()
	path := edited(t, 1, func(c *api.Cluster, _ *api.AuthInfo) { c.ProxyURL = proxy.URL })
	unlink(t)
	must(t, join([]string{"create-mesh", "--kubeconfig", "c1=" + path}, members(2))...)
	if tunnels.Load() == 0 {
		t.Error("the proxy was not used")
	}
	wantRemotes(t, 1, 2)
	text := kubectl(t, 2, "-n", "istio-system", "get", "secret", "istio-remote-secret-c1",
		"-o", `go-template={{index .data "c1" | base64decode}}`)
	if strings.Contains(text, "proxy-url") || !strings.Contains(text, cluster(1).NodeIP+":6443") {
		t.Errorf("the remote secret has server %s", text[strings.Index(text, "server"):][:40])
	}
}

// tunnel serves CONNECT.
func tunnel(w http.ResponseWriter, r *http.Request) {
	far, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	near, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		far.Close()
		return
	}
	fmt.Fprint(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		defer far.Close()
		_, _ = io.Copy(far, buffered) // it ends when one side does
	}()
	defer near.Close()
	_, _ = io.Copy(near, far)
}
