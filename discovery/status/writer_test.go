package status

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.MainWithoutLeaks(m)) }

func allStates() []string {
	var all []string
	for state := model.Joining; !strings.HasPrefix(state.String(), "State("); state++ {
		all = append(all, state.String())
	}
	return all
}

// real connects to a kube-apiserver that knows the type.
func real(t *testing.T) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(testapi.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(typeFile)
	if err != nil {
		t.Fatal(err)
	}
	definition := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &definition.Object); err != nil {
		t.Fatal(err)
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Apply(t.Context(), definition.GetName(), definition, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 400 {
		if _, err = client.Resource(Resource).List(t.Context(), metav1.ListOptions{}); err == nil {
			return client
		}
		<-ticker.C
	}
	t.Fatal(err)
	return nil
}

// TestARealAPIServer follows the objects of a mesh through its life. It is one
// test, as the objects are in no namespace.
func TestARealAPIServer(t *testing.T) {
	t.Parallel()
	client := real(t)
	objects := client.Resource(Resource)
	var members []Member
	known := false
	writer := &Writer{Client: client, Members: func() ([]Member, bool) { return members, known }, Log: slog.New(slog.DiscardHandler)}
	at := now
	versions := map[string]string{}
	// step looks once, and lists the objects that were written.
	step := func(after time.Duration) string {
		t.Helper()
		at = at.Add(after)
		if err := writer.Once(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		list, err := objects.List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var written []string
		now := map[string]string{}
		for i := range list.Items {
			name := list.Items[i].GetName()
			now[name] = list.Items[i].GetResourceVersion()
			if versions[name] != now[name] {
				status, _, _ := unstructured.NestedMap(list.Items[i].Object, "status")
				written = append(written, fmt.Sprint(name, " ", status["state"], " ", status["code"], " ", status["services"]))
			}
		}
		for name := range versions {
			if now[name] == "" {
				written = append(written, name+" gone")
			}
		}
		versions = now
		slices.Sort(written)
		return strings.Join(written, ", ")
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	foreign := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.APIVersion, "kind": Kind, "metadata": map[string]any{"name": "foreign"},
	}}
	if _, err := objects.Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	east := west()
	east.Name, east.Own = "east", true
	members = []Member{east, west()}
	want("before the records were read", step(0), "foreign <nil> <nil> <nil>")
	known = true
	want("at first", step(0), "east ready OK 2, west ready OK 2")
	want("nothing changed", step(5*time.Minute), "")

	members[1].Services = 3
	want("another count", step(time.Second), "west ready OK 3")
	members[1].Services = 4
	want("a count right after", step(time.Second), "")
	want("a count a while after", step(countStep), "west ready OK 4")

	members[1].State, members[1].Faults = model.Degraded, fault("Unreachable")
	want("a state right after", step(time.Second), "west degraded WARNING 4")
	members[1].LastEvent = members[1].LastEvent.Add(time.Millisecond)
	want("an event within the same minute", step(countStep), "")
	members[1].LastEvent = members[1].LastEvent.Add(time.Minute)
	want("an event later", step(countStep), "west degraded WARNING 4")

	members[1].Link = &Link{OK: true, Hop: "answer", RTT: time.Millisecond}
	want("a way that is probed", step(time.Second), "west degraded WARNING 4")
	members[1].Link.RTT = 2 * time.Millisecond
	want("an answer that took about as long", step(countStep), "")
	members[1].Link.RTT = 20 * time.Millisecond
	want("an answer that took much longer", step(countStep), "west degraded WARNING 4")

	members[1].Link = nil
	want("a way that is not probed any more", step(time.Second), "west degraded WARNING 4")
	if conditions := writer.seen["west"].object.Status.Conditions; len(conditions) != 2 {
		t.Errorf("conditions are %v: what nobody looks at any more is still shown", conditions)
	}
	members[1].Addresses = &Addresses{}
	want("advertised addresses", step(time.Second), "west degraded WARNING 4")
	members[1].Addresses = nil
	want("no advertised addresses any more", step(time.Second), "west degraded WARNING 4")

	// Somebody writes into our object, and somebody deletes another.
	edit := []byte(`{"status":{"code":"OK","conditions":[]},"spec":{"network":"other"}}`)
	if _, err := objects.Patch(t.Context(), "west", "application/merge-patch+json", edit, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	if err := objects.Delete(t.Context(), "east", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	want("after an edit and a deletion", step(relist), "east ready OK 2, west degraded WARNING 4")

	// A new term begins with what is there.
	writer = &Writer{Client: client, Members: writer.Members, Log: writer.Log}
	want("by another writer", step(time.Second), "")
	members = members[:1]
	want("a member left", step(time.Second), "west gone")
	if _, err := objects.Get(t.Context(), "foreign", metav1.GetOptions{}); err != nil {
		t.Errorf("somebody else's object: %v", err)
	}
}

// TestTheServerRefusesWhatTheSchemaDoes sees that it judges at all.
func TestTheServerRefusesWhatTheSchemaDoes(t *testing.T) {
	t.Parallel()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.APIVersion, "kind": Kind, "metadata": map[string]any{"name": "odd"},
		"spec": map[string]any{"network": int64(5)},
	}}
	_, err := real(t).Resource(Resource).Create(t.Context(), object, metav1.CreateOptions{})
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !strings.Contains(err.Error(), "spec.network") {
		t.Errorf("got %v", err)
	}
}
