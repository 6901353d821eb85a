package mcs

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/mcs-api/config/crd"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.MainWithoutLeaks(m)) }

var (
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	spaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// rig is a Writer on a real API server, and the view that it is told.
type rig struct {
	client dynamic.Interface
	writer *Writer
	wake   chan struct{}
	stop   func()

	mu       sync.Mutex
	services map[model.ServiceKey]*model.Service
	complete bool
	problems map[model.ServiceKey]Problem
}

// newRig starts a Writer of member east, in a cluster with the types.
func newRig(t *testing.T) *rig {
	t.Helper()
	config := testapi.Config(t)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	api, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	texts := [][]byte{crd.ServiceExportCRD, crd.ServiceImportCRD}
	for _, kind := range []string{"exports", "imports"} {
		text, err := os.ReadFile("../../manifests/charts/eastwest-agent/crds/net.gke.io_service" + kind + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Resource(definitions).Apply(t.Context(), object.GetName(), object, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range dialects {
		eventually(t, "the API is served", func() error {
			version, err := one.served(t.Context(), api)
			if err == nil && version != one.versions[0] {
				err = fmt.Errorf("%s in version %q", one.group, version)
			}
			return err
		})
	}
	r := &rig{client: client, wake: make(chan struct{}, 1), complete: true, services: map[model.ServiceKey]*model.Service{}}
	r.writer = &Writer{
		Client: client, API: api, Own: "east", Mesh: "mesh", Log: slog.New(slog.DiscardHandler),
		View: r.view, Problems: func() map[model.ServiceKey]Problem { return r.problems },
		Vantage: func(own *model.Member) Vantage {
			return Vantage{Own: own, Derived: func(model.ServiceKey) (string, []netip.Addr) {
				return "derived-x", []netip.Addr{netip.MustParseAddr("10.96.0.7")}
			}}
		},
		Namespace: func(name string) bool {
			_, err := client.Resource(spaces).Get(t.Context(), name, metav1.GetOptions{})
			return err == nil
		},
		Wakes: []<-chan struct{}{r.wake}, Touched: dirty.New[model.ServiceKey](make(chan struct{}, 1)),
	}
	r.start(t)
	t.Cleanup(func() { r.stop() })
	return r
}

// start runs the Writer until stop.
func (r *rig) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.writer.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-done
	}
}

func (r *rig) view() (*model.View, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	none := model.Services{}
	return &model.View{
		Members: map[model.MemberName]*model.Member{
			"east": {Name: "east", Network: "net-1"}, "west": {Name: "west", Network: "net-2"},
		},
		Services: none.With(r.services),
	}, r.complete
}

// tell changes the view.
func (r *rig) tell(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *rig) imports() dynamic.ResourceInterface {
	return r.client.Resource(upstream.imports("v1beta1")).Namespace(shop.Namespace)
}

func (r *rig) exports() dynamic.ResourceInterface {
	return r.client.Resource(upstream.exports("v1beta1")).Namespace(shop.Namespace)
}

func (r *rig) get(t *testing.T, from dynamic.ResourceInterface) (*unstructured.Unstructured, error) {
	t.Helper()
	return from.Get(t.Context(), shop.Name, metav1.GetOptions{})
}

// eventually repeats a question until there is no error.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	tick, timeout := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// settled waits until an object is as wanted.
func (r *rig) settled(t *testing.T, from dynamic.ResourceInterface, what string, want func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	t.Helper()
	var object *unstructured.Unstructured
	eventually(t, what, func() error {
		var err error
		if object, err = r.get(t, from); err == nil && !want(object) {
			text, _ := yaml.Marshal(object.Object)
			err = fmt.Errorf("it is\n%s", text)
		}
		return err
	})
	return object
}

func (r *rig) gone(t *testing.T, from dynamic.ResourceInterface, what string) {
	t.Helper()
	eventually(t, what, func() error {
		_, err := r.get(t, from)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there: %w", err)
	})
}

func has(kind string, status metav1.ConditionStatus, reason string) func(*unstructured.Unstructured) bool {
	return func(object *unstructured.Unstructured) bool {
		one := meta.FindStatusCondition(conditionsOf(object), kind)
		return one != nil && one.Status == status && one.Reason == reason
	}
}

func cart(exporters ...model.MemberName) *model.Service {
	return &model.Service{
		Key: shop, Ports: []model.Port{{Name: "http", Number: 80}}, Exporters: exporters,
		Traits: model.Traits{Labels: map[string]string{"team": "shop"}, Families: []model.Family{model.IPv4}},
	}
}

// TestALife follows an import and an export through their lives. It is one test, as
// the types and the namespace are the server's.
func TestALife(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.tell(func() { r.services[shop] = cart("west") })

	space := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": shop.Namespace}}}
	if _, err := r.client.Resource(spaces).Create(t.Context(), space, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.writer.Touched.Add(model.ServiceKey{Namespace: shop.Namespace})
	ready := r.settled(t, r.imports(), "imported once there is a namespace", has("Ready", metav1.ConditionTrue, "Ready"))
	if ips, _, _ := unstructured.NestedStringSlice(ready.Object, "spec", "ips"); len(ips) != 1 || ips[0] != "10.96.0.7" {
		t.Errorf("addresses %q", ips)
	}

	inGKE := r.client.Resource(gke.imports("v1")).Namespace(shop.Namespace)
	r.settled(t, inGKE, "imported in the dialect of GKE", func(object *unstructured.Unstructured) bool {
		clusters, _, _ := unstructured.NestedSlice(object.Object, "status", "clusters")
		ips, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "ips")
		return len(clusters) == 1 && clusters[0].(map[string]any)["cluster"] == "projects/mesh/locations/global/memberships/west" &&
			len(ips) == 1 && ips[0] == "10.96.0.7" && object.GetAnnotations()["net.gke.io/derived-service"] == "derived-x"
	})

	export := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport",
		"metadata": map[string]any{"name": shop.Name, "namespace": shop.Namespace},
	}}
	created, err := r.exports().Create(t.Context(), export, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.settled(t, r.exports(), "a new export is pending", has("Ready", metav1.ConditionFalse, "Pending"))
	r.tell(func() { r.services[shop] = cart("west", "east") })
	isReady := has("Ready", metav1.ConditionTrue, "Ready")
	r.settled(t, r.exports(), "an export that is in the view is ready, and names who was first", func(object *unstructured.Unstructured) bool {
		return isReady(object) && object.GetAnnotations()[v1alpha1.AnnotationIncumbent] == "west"
	})

	t.Run("equal is silence", func(t *testing.T) {
		r.settled(t, r.imports(), "both exporters are named", func(object *unstructured.Unstructured) bool {
			clusters, _, _ := unstructured.NestedSlice(object.Object, "status", "clusters")
			return len(clusters) == 2
		})
		// A record that is not ours makes the Writer look at everything, and when it is put
		// right the Writer has done so.
		look := func() {
			r.patch(t, r.exports(), `{"metadata":{"annotations":{"eastwest.dev/incumbent":"x"}}}`)
			r.settled(t, r.exports(), "the record is put right", func(object *unstructured.Unstructured) bool {
				return object.GetAnnotations()[v1alpha1.AnnotationIncumbent] == "west"
			})
		}
		look()
		look() // whatever was being written when the first one began is written
		quiet, err := r.get(t, r.imports())
		if err != nil {
			t.Fatal(err)
		}
		look()
		if now, err := r.get(t, r.imports()); err != nil || now.GetResourceVersion() != quiet.GetResourceVersion() {
			t.Errorf("written again without need: %v", err)
		}
	})
	t.Run("edits of our fields are taken back, others stay", func(t *testing.T) {
		r.patch(t, r.imports(), `{"metadata":{"labels":{"mine":"x","team":"other"}},"spec":{"ips":["1.2.3.4"]}}`)
		r.settled(t, r.imports(), "restored", func(object *unstructured.Unstructured) bool {
			ips, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "ips")
			return strings.Join(ips, "") == "10.96.0.7" && object.GetLabels()["mine"] == "x" && object.GetLabels()["team"] == "shop"
		})
	})
	t.Run("a label that is exported no more goes", func(t *testing.T) {
		r.tell(func() {
			r.services[shop] = cart("west", "east")
			r.services[shop].Traits.Labels = nil
		})
		r.settled(t, r.imports(), "without the label", func(object *unstructured.Unstructured) bool {
			_, found := object.GetLabels()["team"]
			return !found && object.GetLabels()["mine"] == "x"
		})
	})
	t.Run("conflicts come and go", func(t *testing.T) {
		r.tell(func() {
			r.services[shop] = cart("west", "east")
			r.services[shop].Conflicts = []model.Conflict{{Reason: model.PortConflict, Message: "ports"}}
		})
		r.settled(t, r.exports(), "a conflict", has("Conflict", metav1.ConditionTrue, "PortConflict"))
		r.tell(func() { delete(r.services, shop) })
		r.settled(t, r.exports(), "nothing is said of conflicts where it is not exported", func(object *unstructured.Unstructured) bool {
			return meta.FindStatusCondition(conditionsOf(object), "Conflict") == nil
		})
	})
	r.gone(t, r.imports(), "what nobody exports is imported no more")
	r.gone(t, inGKE, "nor in the dialect of GKE")

	t.Run("what may only be unknown stays", func(t *testing.T) {
		r.tell(func() { r.services[shop] = cart("west") })
		r.settled(t, r.imports(), "imported", has("Ready", metav1.ConditionTrue, "Ready"))
		r.tell(func() { delete(r.services, shop); r.complete = false })
		r.patch(t, r.exports(), `{"metadata":{"annotations":{"look":"once more"}}}`)
		r.settled(t, r.exports(), "pending", has("Ready", metav1.ConditionFalse, "Pending"))
		if _, err := r.get(t, r.imports()); err != nil {
			t.Error(err)
		}
		r.tell(func() { r.complete = true })
		r.gone(t, r.imports(), "known not to exist")
	})
	t.Run("S07: an import made by hand is left alone", func(t *testing.T) {
		if _, err := r.imports().Create(t.Context(), byHand(), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		r.tell(func() { r.services[shop] = cart("west") })
		left := r.settled(t, r.imports(), "it is told", has(Managed, metav1.ConditionFalse, "NotManaged"))
		if kind, _, _ := unstructured.NestedString(left.Object, "spec", "type"); kind != "Headless" {
			t.Errorf("its type became %q", kind)
		}
		if err := r.imports().Delete(t.Context(), shop.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		r.settled(t, r.imports(), "ours takes its place", has("Ready", metav1.ConditionTrue, "Ready"))
	})
	t.Run("another controller's imports are the end of ours, in its dialect", func(t *testing.T) { r.testForeign(t, inGKE) })
	t.Run("where it is off nothing of ours is there", func(t *testing.T) { r.testOff(t, inGKE) })
	t.Run("an export that was deleted meanwhile does not come back", func(t *testing.T) {
		if err := r.exports().Delete(t.Context(), shop.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		in := &objects{dialect: &upstream, version: "v1beta1", client: r.client}
		wanted := exportOf(shop, &model.View{}, "east", nil)
		wanted.Incumbent = "west"
		if err := notGoing(r.writer.writeExport(t.Context(), in, &wanted, created, metav1.Now())); err != nil {
			t.Error(err)
		}
		if _, err := r.get(t, r.exports()); !apierrors.IsNotFound(err) {
			t.Errorf("it is there: %v", err)
		}
	})
	t.Run("an import is not taken over that the watch has not told of", r.testUnseen)
}

// byHand is an import that somebody made.
func byHand() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceImport",
		"metadata": map[string]any{"name": shop.Name, "namespace": shop.Namespace},
		"spec":     map[string]any{"type": "Headless", "ports": []any{}},
	}}
}

// testUnseen writes an import while the watch does not tell yet that somebody made one
// by hand.
func (r *rig) testUnseen(t *testing.T) {
	r.stop()
	in := &objects{dialect: &upstream, version: "v1beta1", client: r.client}
	view, _ := r.view()
	wanted := importOf(view, cart("west"), r.writer.Vantage(view.Members["east"]))
	write := func(seen *unstructured.Unstructured) {
		t.Helper()
		if err := r.writer.writeImport(t.Context(), in, &wanted, seen, metav1.Now()); err != nil {
			t.Fatal(err)
		}
	}
	remove := func() {
		t.Helper()
		if err := r.imports().Delete(t.Context(), shop.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	writeAside := func(what string, seen *unstructured.Unstructured) {
		t.Helper()
		made, err := r.imports().Create(t.Context(), byHand(), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		write(seen)
		if now, err := r.get(t, r.imports()); err != nil || now.GetResourceVersion() != made.GetResourceVersion() {
			t.Errorf("one made by hand %s was written: %v", what, err)
		}
		remove()
	}
	remove()
	writeAside("where none was", nil)
	write(nil)
	own, err := r.get(t, r.imports())
	if err != nil || !ours(own) {
		t.Fatalf("not made where there is none: %v", err)
	}
	remove()
	own.SetLabels(map[string]string{labelManagedBy: manager, "team": "before"})
	writeAside("after ours", own)
}

func (r *rig) patch(t *testing.T, in dynamic.ResourceInterface, text string) {
	t.Helper()
	if _, err := in.Patch(t.Context(), shop.Name, "application/merge-patch+json", []byte(text), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// testForeign has Submariner write an import, and take it away again.
func (r *rig) testForeign(t *testing.T, inGKE dynamic.ResourceInterface) {
	theirs := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceImport",
		"metadata": map[string]any{"name": "theirs", "namespace": shop.Namespace, "labels": map[string]any{"lighthouse.submariner.io/sourceName": "x"}},
		"spec":     map[string]any{"type": "Headless", "ports": []any{}},
	}}
	made, err := r.imports().Create(t.Context(), theirs, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.gone(t, r.imports(), "ours goes")
	r.settled(t, r.exports(), "nothing is said of the export", func(object *unstructured.Unstructured) bool {
		return len(conditionsOf(object)) == 0 && len(object.GetAnnotations()) == 1 // that of an earlier step
	})
	if _, err := r.get(t, inGKE); err != nil {
		t.Errorf("the other dialect: %v", err)
	}
	eventually(t, "the owner is named", func() error {
		if said, _ := r.writer.Standing(); len(said.Foreign) != 1 || said.Foreign[0] != (v1alpha1.ForeignDialect{Group: v1alpha1.MCSUpstream, Owner: "Submariner"}) {
			return fmt.Errorf("standing is %+v", said)
		}
		return nil
	})
	if now, err := r.imports().Get(t.Context(), "theirs", metav1.GetOptions{}); err != nil || now.GetResourceVersion() != made.GetResourceVersion() {
		t.Errorf("theirs was touched: %v", err)
	}
	if err := r.imports().Delete(t.Context(), "theirs", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.settled(t, r.imports(), "ours comes back", has("Ready", metav1.ConditionTrue, "Ready"))
	r.settled(t, r.exports(), "the export has its conditions again", has("Ready", metav1.ConditionFalse, "Pending"))
}

// testOff runs a Writer where the switch is off, and one where it is on again.
func (r *rig) testOff(t *testing.T, inGKE dynamic.ResourceInterface) {
	r.stop()
	r.writer.Off = true
	r.start(t)
	r.gone(t, r.imports(), "ours goes")
	r.gone(t, inGKE, "in both dialects")
	r.settled(t, r.exports(), "the export counts for nobody", func(object *unstructured.Unstructured) bool {
		_, recorded := object.GetAnnotations()[v1alpha1.AnnotationIncumbent]
		return len(conditionsOf(object)) == 0 && !recorded && object.GetAnnotations()[v1alpha1.AnnotationOff] == "true"
	})
	r.stop()
	r.writer.Off = false
	r.start(t)
	r.settled(t, r.imports(), "imported again", has("Ready", metav1.ConditionTrue, "Ready"))
	r.settled(t, r.exports(), "the export counts again", func(object *unstructured.Unstructured) bool {
		_, marked := object.GetAnnotations()[v1alpha1.AnnotationOff]
		return !marked && len(conditionsOf(object)) > 0
	})
}
