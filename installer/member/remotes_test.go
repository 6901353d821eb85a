package member

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

const remoteKubeconfig = `apiVersion: v1
kind: Config
current-context: west
clusters: [{name: west, cluster: {server: "https://203.0.113.7:6443", certificate-authority-data: Q0EK}}]
users: [{name: west, user: {token: hush-hush}}]
contexts: [{name: west, context: {cluster: west, user: west}}]
`

// TestRemoteSecret reads credentials of any maker, and keeps no secret byte.
func TestRemoteSecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		content string
		want    RemoteKey
	}{
		"as istioctl writes it": {remoteKubeconfig, RemoteKey{Server: "https://203.0.113.7:6443", CAHash: CAHash([]byte("CA"))}},
		"garbage":               {"\x00garbage", RemoteKey{Problem: "it is no kubeconfig"}},
		"YAML that is none":     {"- a\n", RemoteKey{Problem: "it is no kubeconfig"}},
		"nothing":               {"", RemoteKey{Problem: "its current context does not exist"}},
		"no current context":    {strings.Replace(remoteKubeconfig, "current-context: west", "", 1), RemoteKey{Problem: "its current context does not exist"}},
		"a context to nowhere":  {strings.Replace(remoteKubeconfig, "{cluster: west,", "{cluster: gone,", 1), RemoteKey{Problem: "the cluster of its context does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			got := remoteSecret(corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "istio-system", Name: "s", CreationTimestamp: metav1.NewTime(created),
					Labels: map[string]string{RemoteSecretLabel: "true"}, Annotations: map[string]string{"networking.istio.io/cluster": "west"},
				},
				Data: map[string][]byte{"west": []byte(tc.content)},
			})
			if len(got.Keys) != 1 || len(got.Keys[0].Hash) != 12 {
				t.Fatalf("got %+v", got)
			}
			want := tc.want
			want.ClusterID, want.Hash = "west", got.Keys[0].Hash
			if diff := cmp.Diff(want, got.Keys[0]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.Namespace != "istio-system" || got.Name != "s" || !got.Created.Equal(created) || got.Labels[RemoteSecretLabel] != "true" || got.Annotations["networking.istio.io/cluster"] != "west" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestRemoteSecretOfSeveralClusters(t *testing.T) {
	t.Parallel()
	got := remoteSecret(corev1.Secret{Data: map[string][]byte{"b": []byte(remoteKubeconfig), "a": []byte("x"), "c": nil}})
	var ids []string
	for _, key := range got.Keys {
		ids = append(ids, key.ClusterID)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, ids); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestCAHash tells authorities apart, not the line breaks around them.
func TestCAHash(t *testing.T) {
	t.Parallel()
	if CAHash(nil) != "" || CAHash([]byte("a\n")) != CAHash([]byte("\n a")) || CAHash([]byte("a")) == CAHash([]byte("b")) {
		t.Errorf("got %q %q %q %q", CAHash(nil), CAHash([]byte("a\n")), CAHash([]byte("\n a")), CAHash([]byte("b")))
	}
}

func TestRemoteKubeconfig(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "s"}, Data: map[string][]byte{"west": []byte("x")}}
	m := &Member{Kube: fake.NewClientset(secret)}
	for name, tc := range map[string]struct {
		secret, id, want string
		bad              bool
	}{
		"there":     {"s", "west", "x", false},
		"no key":    {"s", "east", "", false},
		"no Secret": {"gone", "west", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := m.RemoteKubeconfig(t.Context(), &RemoteSecret{Namespace: "istio-system", Name: tc.secret}, tc.id)
			if string(got) != tc.want || (err != nil) != tc.bad {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil && !strings.Contains(err.Error(), "istio-system/gone") {
				t.Errorf("it does not name the Secret: %v", err)
			}
		})
	}
}
