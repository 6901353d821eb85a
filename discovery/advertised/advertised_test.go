package advertised

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/subset"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.MainWithoutLeaks(m)) }

// definition is the Gateway API's type, as far as it matters here: addresses are
// one value, listeners go by their names.
const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gateways.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: "unapproved, for tests"}
spec:
  group: gateway.networking.k8s.io
  scope: Namespaced
  names: {kind: Gateway, listKind: GatewayList, plural: gateways, singular: gateway}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                gatewayClassName: {type: string}
                addresses:
                  type: array
                  items: {type: object, properties: {type: {type: string}, value: {type: string}}}
                listeners:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [name]
                  items:
                    type: object
                    required: [name]
                    properties:
                      name: {type: string}
                      port: {type: integer}
                      extra: {type: string, default: made up}
`

// recorded is an object as the installer leaves it.
const recorded = `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
  "metadata": {"name": "eastwest-west-1", "namespace": "default", "labels": {"topology.istio.io/network": "net-west"}},
  "spec": {"gatewayClassName": "istio-remote", "addresses": [{"type": "IPAddress", "value": "192.0.2.1"}],
    "listeners": [{"name": "cross-network", "port": 15443}]}}`

// real connects to a kube-apiserver that knows the type.
func real(t *testing.T) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(testapi.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(definition), &object.Object); err != nil {
		t.Fatal(err)
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Apply(t.Context(), object.GetName(), object, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 400 {
		if _, err = client.Resource(gateways).List(t.Context(), metav1.ListOptions{}); err == nil {
			return client
		}
		<-ticker.C
	}
	t.Fatal(err)
	return nil
}

// TestWhatIsChangedIsRestored follows one object through what people do to it.
func TestWhatIsChangedIsRestored(t *testing.T) {
	t.Parallel()
	all := map[model.MemberName][]byte{"west": []byte("[" + recorded + "]")}
	client := real(t)
	objects := client.Resource(gateways).Namespace("default")
	k := &Keeper{Client: client, Recorded: func() map[model.MemberName][]byte { return all }, Log: slog.New(slog.DiscardHandler)}
	const name = "eastwest-west-1"
	patch := func(text string) func() error {
		return func() error {
			_, err := objects.Patch(t.Context(), name, types.MergePatchType, []byte(text), metav1.PatchOptions{FieldManager: "people"})
			return err
		}
	}
	k.Once(t.Context())
	total := 1
	for _, step := range []struct {
		what     string
		change   func() error
		restored int
		problem  string
	}{
		{"nothing happens", func() error { return nil }, 0, ""},
		{"it is deleted", func() error { return objects.Delete(t.Context(), name, metav1.DeleteOptions{}) }, 1, ""},
		{"another address", patch(`{"spec": {"addresses": [{"type": "IPAddress", "value": "192.0.2.9"}]}}`), 1, ""},
		{"an address more", patch(`{"spec": {"addresses": [{"type": "IPAddress", "value": "192.0.2.1"}, {"type": "IPAddress", "value": "192.0.2.9"}]}}`), 1, ""},
		{"another network", patch(`{"metadata": {"labels": {"topology.istio.io/network": "net-east"}}}`), 1, ""},
		{"another class", patch(`{"spec": {"gatewayClassName": "istio"}}`), 1, ""},
		{"a label more", patch(`{"metadata": {"labels": {"team": "mesh"}}}`), 0, ""},
		{"a listener more", patch(`{"spec": {"listeners": [{"name": "cross-network", "port": 15443}, {"name": "theirs", "port": 1}]}}`), 0, "somebody else adds to it"},
		{"no listener more", patch(`{"spec": {"listeners": [{"name": "cross-network", "port": 15443}]}}`), 0, ""},
	} {
		if err := step.change(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		k.Once(t.Context())
		total += step.restored
		got, known := k.Result("west")
		if !known || got.Restored != total || !strings.Contains(got.Problem, step.problem) || (got.Problem == "") != (step.problem == "") || got.Last.IsZero() {
			t.Errorf("%s: %+v, want %d restored, problem %q", step.what, got, total, step.problem)
		}
		have, err := objects.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if step.problem == "" && !subset.Holds(have.Object, object(t).Object) {
			t.Errorf("%s: it is %v", step.what, have.Object["spec"])
		}
	}
	for _, entry := range must(t, objects).GetManagedFields() {
		if entry.Operation == metav1.ManagedFieldsOperationApply && entry.Manager != "eastwest" {
			t.Errorf("%s owns what the installer must be able to change", entry.Manager)
		}
	}
	delete(all, "west")
	if err := objects.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	k.Once(t.Context())
	if _, known := k.Result("west"); known {
		t.Error("a member that left is remembered")
	}
	if _, err := objects.Get(t.Context(), name, metav1.GetOptions{}); err == nil {
		t.Error("what is not recorded any more is restored")
	}
}

func must(t *testing.T, objects dynamic.ResourceInterface) *unstructured.Unstructured {
	t.Helper()
	have, err := objects.Get(t.Context(), "eastwest-west-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return have
}

func object(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	one := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(recorded), one); err != nil {
		t.Fatal(err)
	}
	return one
}

// TestWhatIsNotKept: only gateways that are elsewhere, whatever the record says.
func TestWhatIsNotKept(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, says string }{
		"no JSON":               {"{", "read what was recorded"},
		"a gateway of this end": {"[" + strings.Replace(recorded, "istio-remote", "istio", 1) + "]", "is not to be kept"},
		"another kind":          {"[" + strings.Replace(recorded, `"kind": "Gateway"`, `"kind": "HTTPRoute"`, 1) + "]", "is not to be kept"},
		"far too many":          {"[" + strings.Repeat(recorded+",", most) + recorded + "]", "more than 64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &Keeper{
				Recorded: func() map[model.MemberName][]byte { return map[model.MemberName][]byte{"west": []byte(tc.text)} },
				Log:      slog.New(slog.DiscardHandler),
			}
			k.Once(t.Context())
			if got, known := k.Result("west"); !known || !strings.Contains(got.Problem, tc.says) || got.Restored != 0 {
				t.Errorf("%+v, want %q", got, tc.says)
			}
		})
	}
}

// TestHowOftenIsLooked: an address that is wrong is an outage.
func TestHowOftenIsLooked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		k := &Keeper{Log: slog.New(slog.DiscardHandler), Recorded: func() map[model.MemberName][]byte {
			looks++
			return map[model.MemberName][]byte{"west": []byte("{")}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 61*time.Second)
		defer cancel()
		k.Run(ctx)
		if looks != 7 {
			t.Errorf("%d looks in a minute, want 7", looks)
		}
		if _, known := k.Result("west"); known {
			t.Error("a replica that does not write any more tells of what it once saw")
		}
	})
}
