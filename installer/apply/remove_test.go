package apply

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// TestRemovalLeavesNothing is not parallel: it looks at our bookkeeping namespace
// as a whole, and lets it go.
func TestRemovalLeavesNothing(t *testing.T) {
	r := newRig(t, Options{})
	r.withoutOurs(t)
	if plan := must(r.EmptyNamespace(t.Context()))(t); len(plan.Changes) > 0 {
		t.Fatalf("nothing was made, but it would delete %q", actions(plan.Changes))
	}
	gateway := Set{Name: "gateway", Objects: r.set(r.configMap("a", nil), r.configMap("b", nil)).Objects}
	remote := Set{Name: "remote-west", Objects: r.set(r.configMap("c", nil)).Objects}
	r.run(t, gateway)
	r.run(t, remote)
	if diff := cmp.Diff([]string{"gateway", "remote-west"}, must(r.Sets(t.Context()))(t)); diff != "" {
		t.Errorf("sets (-want +got)\n%s", diff)
	}

	// Planning a removal writes nothing; the parent goes last, so that a removal
	// that is interrupted can be taken up.
	r.writes.take()
	plan := must(r.Remove(t.Context(), "gateway"))(t)
	if diff := cmp.Diff([]string{"deleted ConfigMap a", "deleted ConfigMap b", "deleted ConfigMap eastwest-gateway"}, actions(plan.Changes)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if writes := r.writes.take(); len(writes) > 0 {
		t.Errorf("planning writes %q", writes)
	}
	if err := r.Apply(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	if plan := must(r.Remove(t.Context(), "gateway"))(t); len(plan.Changes) > 0 {
		t.Errorf("a second removal deletes %q", actions(plan.Changes))
	}
	if plan := must(r.EmptyNamespace(t.Context()))(t); len(plan.Changes) > 0 {
		t.Errorf("a set is left, but it would delete %q", actions(plan.Changes))
	}

	if err := r.Apply(t.Context(), must(r.Remove(t.Context(), "remote-west"))(t), nil); err != nil {
		t.Fatal(err)
	}
	if left := r.versions(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if maps := must(r.kube.CoreV1().ConfigMaps(Namespace).List(t.Context(), metav1.ListOptions{}))(t).Items; len(maps) > 0 {
		t.Errorf("left in our namespace: %v", maps)
	}
	plan = must(r.EmptyNamespace(t.Context()))(t)
	if diff := cmp.Diff([]string{"deleted Namespace eastwest-system"}, actions(plan.Changes)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	done := make(chan error, 1)
	go func() { done <- r.Apply(t.Context(), plan, nil) }()
	testapi.Finish(t.Context(), t, r.kube, Namespace)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := r.kube.CoreV1().Namespaces().Get(t.Context(), Namespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("our namespace is left: %v", err)
	}
}

// TestANamespaceOfSomebodyElsesStays is not parallel, like the test above.
func TestANamespaceOfSomebodyElsesStays(t *testing.T) {
	r := newRig(t, Options{})
	r.withoutOurs(t)
	theirs := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
	must(r.kube.CoreV1().Namespaces().Create(t.Context(), theirs, metav1.CreateOptions{}))(t)
	if plan := must(r.EmptyNamespace(t.Context()))(t); len(plan.Changes) > 0 {
		t.Errorf("it would delete %q", actions(plan.Changes))
	}
	r.withoutOurs(t)
}

// TestAnObjectMadeAnewIsNotDeleted: what was planned is one object, not a name.
func TestAnObjectMadeAnewIsNotDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.run(t, r.set(r.configMap("a", nil), r.configMap("b", nil)))
	plan := must(r.Plan(t.Context(), r.set(r.configMap("b", nil))))(t)
	client := r.kube.CoreV1().ConfigMaps(r.namespace)
	if err := client.Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	must(client.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}))(t)
	if err := r.Apply(t.Context(), plan, nil); err == nil {
		t.Error("no error for an object that is another by now")
	}
	if _, err := client.Get(t.Context(), "a", metav1.GetOptions{}); err != nil {
		t.Errorf("it was deleted: %v", err)
	}
}

// TestNamespaceLabels goes there and back.
func TestNamespaceLabels(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	const key = "topology.istio.io/network"
	labels := func() map[string]string {
		return must(r.kube.CoreV1().Namespaces().Get(t.Context(), r.namespace, metav1.GetOptions{}))(t).Labels
	}
	before := labels()
	if plan := must(r.UnlabelNamespace(t.Context(), r.namespace))(t); len(plan.Changes) > 0 {
		t.Errorf("there is nothing of ours, but it would change %q", actions(plan.Changes))
	}
	plan := LabelNamespace(r.namespace, key, "net-east")
	if diff := cmp.Diff([]FieldDiff{{Path: "metadata.labels." + key, New: "net-east"}}, plan.Changes[0].Diff); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := r.Apply(t.Context(), plan, nil); err != nil || labels()[key] != "net-east" {
		t.Fatalf("labels %v, %v", labels(), err)
	}
	if sets := must(r.Sets(t.Context()))(t); slices.Contains(sets, "label") {
		t.Error("a label is no set: the namespace would be pruned")
	}
	back := must(r.UnlabelNamespace(t.Context(), r.namespace))(t)
	if err := r.Apply(t.Context(), back, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, labels()); diff != "" {
		t.Errorf("labels (-before +after)\n%s", diff)
	}
	if plan := must(r.UnlabelNamespace(t.Context(), r.namespace))(t); len(plan.Changes) > 0 {
		t.Errorf("a second time changes %q", actions(plan.Changes))
	}
	if plan := must(r.UnlabelNamespace(t.Context(), "nowhere-to-be-found"))(t); len(plan.Changes) > 0 {
		t.Errorf("no namespace has no label of ours, got %q", actions(plan.Changes))
	}
}

// TestALabelOfSomebodyElsesIsRefused: what another manager says of a network is
// not overwritten.
func TestALabelOfSomebodyElsesIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	theirs := bareNamespace(r.namespace)
	theirs.SetLabels(map[string]string{"topology.istio.io/network": "office"})
	r.as(t.Context(), t, "helm", theirs)
	err := r.Apply(t.Context(), LabelNamespace(r.namespace, "topology.istio.io/network", "net-east"), nil)
	wantProblem(t, err, problem.Refused, "FieldConflict", `conflict with "helm"`)
	var known *problem.Error
	if !errors.As(err, &known) || !strings.HasPrefix(known.Object, "Namespace ") {
		t.Errorf("got %+v", known)
	}
}
