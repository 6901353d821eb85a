package peer

import (
	"bytes"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// TestAccounts shows what a consumer's istiod gets on a producer.
func TestAccounts(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/account/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		wanted := struct {
			Consumer, Producer, IstioNamespace string
			Only                               string
			LongLived                          bool
			Reader                             Reader
		}{}
		readCase(t, in, &wanted)
		role, err := Rules(wanted.Reader, false)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := Account{
			Consumer: wanted.Consumer, Producer: wanted.Producer, IstioNamespace: wanted.IstioNamespace,
			Role: role, LongLived: wanted.LongLived,
		}.Objects()
		if err != nil {
			t.Fatal(err)
		}
		return shown(t, objects, wanted.Only)
	})
}

// TestRemoteSecrets shows what istiod, istioctl and asmcli find in a consumer.
func TestRemoteSecrets(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/remote/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		wanted := struct {
			Consumer, Producer, ClusterID, UID, Kubeconfig, Kind string
			Expiry                                               time.Time
		}{}
		readCase(t, in, &wanted)
		object, err := Remote{
			Name: SecretName(wanted.ClusterID, wanted.Producer), Consumer: wanted.Consumer, Producer: wanted.Producer,
			ClusterID: wanted.ClusterID, UID: wanted.UID, Namespace: "istio-system", Kubeconfig: []byte(wanted.Kubeconfig),
			Token: Token{Kind: TokenKind(wanted.Kind), Expiry: wanted.Expiry, Value: "hush"},
		}.Object()
		if err != nil {
			t.Fatal(err)
		}
		return shown(t, []*unstructured.Unstructured{object}, "")
	})
}

// TestRemoteGateways shows how an advertised address is told to an istiod.
func TestRemoteGateways(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/gateway/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		wanted := Advertised{}
		readCase(t, in, &wanted)
		return shown(t, []*unstructured.Unstructured{RemoteGateway(wanted)}, "")
	})
}

// readCase decodes case.yaml strictly.
func readCase(t *testing.T, in *golden.Case, into any) {
	t.Helper()
	text, _ := in.Input("case.yaml")
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatal(err)
	}
}

// shown prints the objects of a kind, or all, after a strict decode of each into
// its type.
func shown(t *testing.T, objects []*unstructured.Unstructured, only string) map[string][]byte {
	t.Helper()
	var out bytes.Buffer
	for _, object := range objects {
		if typed, known := types()[object.GetKind()]; known {
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true); err != nil {
				t.Errorf("%s: %v", object.GetKind(), err)
			}
		}
		if only != "" && object.GetKind() != only {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		if out.Len() > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return map[string][]byte{"objects.yaml": out.Bytes()}
}

func types() map[string]runtime.Object {
	return map[string]runtime.Object{
		"ServiceAccount": &corev1.ServiceAccount{}, "Secret": &corev1.Secret{},
		"ClusterRole": &rbacv1.ClusterRole{}, "ClusterRoleBinding": &rbacv1.ClusterRoleBinding{},
		"Role": &rbacv1.Role{}, "RoleBinding": &rbacv1.RoleBinding{},
	}
}
