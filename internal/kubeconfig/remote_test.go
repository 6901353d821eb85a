package kubeconfig

import (
	"bytes"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

func TestRemoteRoundTrip(t *testing.T) {
	t.Parallel()
	ca := issue(t, nil)
	for name, remote := range map[string]Remote{
		"a usual one":                 {ClusterID: "east", Server: "https://10.0.0.1:6443", Token: "abc"},
		"with a server name":          {ClusterID: "cn-p-global-east", Server: "https://api.example.com", TLSServerName: "kubernetes", Token: "abc"},
		"the ID of a default istiod":  {ClusterID: "Kubernetes", Server: "https://[fd00::1]:6443", Token: "abc"},
		"an ID that no label may be":  {ClusterID: "gke_p_l/x:c", Server: "https://a", Token: "abc"},
		"an ID that YAML would alter": {ClusterID: "0123e4", Server: "https://a", Token: "0777"},
		"an ID that YAML finds true":  {ClusterID: "yes", Server: "https://a", Token: "null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote.CA = ca.cert
			data, err := remote.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := remote.Encode()
			if err != nil || !bytes.Equal(data, again) {
				t.Errorf("not the same bytes twice: %v", err)
			}
			got, err := Parse(data, "", Agent())
			if err != nil {
				t.Fatal(err)
			}
			if got.Context != remote.ClusterID || got.Server != remote.Server || got.TLSServerName != remote.TLSServerName ||
				got.Config.BearerToken != remote.Token || !bytes.Equal(got.CA, remote.CA) {
				t.Errorf("read back %+v", got)
			}
			if _, err := clientcmd.RESTConfigFromKubeConfig(data); err != nil {
				t.Errorf("kubectl cannot read it: %v", err)
			}
		})
	}
}

// TestRemoteShape is what istioctl writes, byte for byte.
func TestRemoteShape(t *testing.T) {
	t.Parallel()
	ca := issue(t, nil)
	got, err := Remote{ClusterID: "east", Server: "https://10.0.0.1:6443", CA: ca.cert, TLSServerName: "kubernetes", Token: "abc"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ` + ca.cert64() + `
    server: https://10.0.0.1:6443
    tls-server-name: kubernetes
  name: east
contexts:
- context:
    cluster: east
    user: east
  name: east
current-context: east
kind: Config
users:
- name: east
  user:
    token: abc
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRemoteRejectsWhatNoAgentWouldRead(t *testing.T) {
	t.Parallel()
	good := Remote{ClusterID: "east", Server: "https://a", CA: issue(t, nil).cert, Token: "abc"}
	for name, tc := range map[string]struct {
		change     func(*Remote)
		code, text string
	}{
		"no ID":            {func(r *Remote) { r.ClusterID = "" }, CodeInvalid, "cluster ID is empty"},
		"a plain server":   {func(r *Remote) { r.Server = "http://a" }, CodeInsecure, "plain http"},
		"no CA":            {func(r *Remote) { r.CA = nil }, CodeCA, "system roots"},
		"no token":         {func(r *Remote) { r.Token = "" }, CodeToken, "no token"},
		"an expired token": {func(r *Remote) { r.Token = jwt(t, time.Unix(1, 0)) }, CodeToken, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := good
			tc.change(&remote)
			_, err := remote.Encode()
			wantProblem(t, err, tc.code, tc.text)
		})
	}
}

func TestIsLocal(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]bool{
		"https://127.0.0.1:6443": true, "https://127.9.9.9": true, "https://[::1]:6443": true, "https://0.0.0.0:1": true,
		"https://[::]:1": true, "https://[::ffff:127.0.0.1]": true, "https://localhost:6443": true, "https://LOCALHOST.": true,
		"https://a.localhost": true, "https://localhost.localdomain": true, "https://ip6-localhost": true,
		"https://10.0.0.1": false, "https://api.example.com": false, "https://localhosts.example.com": false,
		"https://kubernetes.docker.internal": false, "https://[fd00::1]": false, "": false, "::": false,
	} {
		if got := IsLocal(server); got != want {
			t.Errorf("IsLocal(%q) = %v", server, got)
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	want := time.Unix(1_900_000_000, 0)
	if got, ok := Expiry(jwt(t, want)); !ok || !got.Equal(want) {
		t.Errorf("got %v, %v", got, ok)
	}
	for name, token := range map[string]string{
		"opaque": "abc", "three parts that are no JWT": "a.b.c", "no expiry": "e30.e30.x", "not JSON": "e30.YWJj.x",
		"a far future": "e30.eyJleHAiOjFlMzAwfQ.x", "an expiry of a wrong type": "e30.eyJleHAiOiJ4In0.x",
	} {
		if got, ok := Expiry(token); ok {
			t.Errorf("%s: expires at %v", name, got)
		}
	}
}
