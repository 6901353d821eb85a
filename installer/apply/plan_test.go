package apply

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// TestLifeOfASet goes through every action. After each run an equal one changes
// nothing and writes nothing.
func TestLifeOfASet(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for _, step := range []struct {
		objects []*unstructured.Unstructured
		want    []string
	}{
		{
			[]*unstructured.Unstructured{r.configMap("a", map[string]any{"x": "1"}), r.configMap("b", nil)},
			[]string{"created ConfigMap a", "created ConfigMap b"},
		},
		{
			[]*unstructured.Unstructured{r.configMap("a", map[string]any{"x": "2"}), r.configMap("b", nil), r.configMap("c", nil)},
			[]string{"configured ConfigMap a", "unchanged ConfigMap b", "created ConfigMap c"},
		},
		{
			[]*unstructured.Unstructured{r.configMap("b", nil)},
			[]string{"unchanged ConfigMap b", "deleted ConfigMap a", "deleted ConfigMap c"},
		},
	} {
		if diff := cmp.Diff(step.want, r.run(t, r.set(step.objects...))); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		r.writes.take()
		again := must(r.Plan(t.Context(), r.set(step.objects...)))(t)
		if again.Writes() != 0 {
			t.Fatalf("an equal run changes %q", actions(again.Changes))
		}
		if err := r.Apply(t.Context(), again, nil); err != nil {
			t.Fatal(err)
		}
		if writes := r.writes.take(); len(writes) > 0 {
			t.Fatalf("an equal run writes %q", writes)
		}
	}
}

// TestAmendingLeavesTheRestOfASet: what else is in it stays, and is found again when
// the set goes.
func TestAmendingLeavesTheRestOfASet(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	account := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "b", "namespace": r.namespace},
	}}
	r.run(t, r.set(r.configMap("a", map[string]any{"x": "1"}), account))
	plan := must(r.Amend(t.Context(), r.set(r.configMap("a", map[string]any{"x": "2"}), r.configMap("c", nil))))(t)
	if diff := cmp.Diff([]string{"configured ConfigMap a", "created ConfigMap c"}, members(actions(plan.Changes))); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	if err := r.Apply(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	want := []string{"configured ConfigMap a", "deleted ConfigMap c", "deleted ServiceAccount b"}
	if diff := cmp.Diff(want, r.run(t, r.set(r.configMap("a", map[string]any{"x": "1"})))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPlanWritesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.run(t, r.set(r.configMap("kept", map[string]any{"x": "1"}), r.configMap("stale", nil)))
	r.writes.take()
	before := r.versions(t)

	plan := must(r.Plan(t.Context(), r.set(r.configMap("kept", map[string]any{"x": "2"}), r.configMap("new", nil))))(t)
	want := []string{"configured ConfigMap kept", "created ConfigMap new", "deleted ConfigMap stale"}
	if diff := cmp.Diff(want, members(actions(plan.Changes))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if writes := r.writes.take(); len(writes) > 0 {
		t.Errorf("planning writes %q", writes)
	}
	if diff := cmp.Diff(before, r.versions(t)); diff != "" {
		t.Errorf("resource versions (-before +after)\n%s", diff)
	}
	change := plan.Changes[slices.IndexFunc(plan.Changes, func(c Change) bool { return c.Name == "kept" })]
	if diff := cmp.Diff([]FieldDiff{{Path: "data.x", Old: `"1"`, New: `"2"`}}, change.Diff); diff != "" {
		t.Errorf("fields (-want +got)\n%s", diff)
	}
	if change.Object() != "ConfigMap "+r.namespace+"/kept" {
		t.Errorf("got %q", change.Object())
	}
}

// TestPruneTouchesItsOwnOnly leaves alone what is not of the set: objects of
// nobody, of another set, and those that only carry our label for people.
func TestPruneTouchesItsOwnOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	other := Set{Name: r.namespace + "-other", Objects: []*unstructured.Unstructured{r.configMap("others", nil)}}
	r.run(t, other)
	foreign, labelled := r.configMap("foreign", nil), r.configMap("labelled", nil)
	labelled.SetLabels(map[string]string{ManagedByLabel: FieldManager})
	r.as(t.Context(), t, "kubectl", foreign)
	r.as(t.Context(), t, "kubectl", labelled)

	r.run(t, r.set(r.configMap("a", nil), r.configMap("b", nil)))
	if diff := cmp.Diff([]string{"unchanged ConfigMap b", "deleted ConfigMap a"}, r.run(t, r.set(r.configMap("b", nil)))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	r.run(t, r.set())
	left := slices.Sorted(maps.Keys(r.versions(t)))
	want := []string{r.namespace + "/foreign", r.namespace + "/labelled", r.namespace + "/others"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left (-want +got)\n%s", diff)
	}
}

// TestPruneFollowsASetToAnotherNamespace finds members where the set has been.
func TestPruneFollowsASetToAnotherNamespace(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	elsewhere := r.newNamespace(t)
	r.run(t, r.set(r.configMap("a", nil)))
	moved := r.configMap("a", nil)
	moved.SetNamespace(elsewhere)
	if diff := cmp.Diff([]string{"created ConfigMap a", "deleted ConfigMap a"}, r.run(t, r.set(moved))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if found := r.parent(t).GetAnnotations()[moreNamespacesAnnotion]; found != elsewhere {
		t.Errorf("the parent lists %q, want %q only", found, elsewhere)
	}
}

// TestAnInterruptedApplyIsTakenUp stops after every possible write; the next run
// converges, and a set that was never finished is pruned like any other.
func TestAnInterruptedApplyIsTakenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	whole := r.set(r.configMap("a", nil), r.configMap("b", nil), r.configMap("c", nil))
	for stopAfter := 1; stopAfter <= 5; stopAfter++ {
		ctx, cancel := context.WithCancel(t.Context())
		plan := must(r.Plan(ctx, whole))(t)
		done := 0
		err := r.Apply(ctx, plan, func(Change) {
			if done++; done == stopAfter {
				cancel()
			}
		})
		if err == nil && plan.Writes() > stopAfter {
			t.Fatalf("stopped after %d of %d, but no error", stopAfter, plan.Writes())
		}
		cancel()
		r.run(t, whole)
		r.run(t, r.set(r.configMap("c", nil)))
		r.run(t, r.set())
		if left := r.versions(t); len(left) > 0 {
			t.Fatalf("stopped after %d: left %v", stopAfter, left)
		}
	}
}

// TestAKindThatIsGone plans although a recorded kind is served no more.
func TestAKindThatIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.run(t, r.set(r.configMap("a", nil)))
	r.as(t.Context(), t, FieldManager, r.set().parent([]schema.GroupKind{{Kind: "ConfigMap"}, {Group: "example.com", Kind: "Ghost"}}, []string{r.namespace}))
	if got := r.run(t, r.set(r.configMap("a", nil))); !slices.Equal(got, []string{"unchanged ConfigMap a"}) {
		t.Errorf("got %q", got)
	}
}

// parent is the live parent of the test's set.
func (r *rig) parent(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	parent := must(r.liveParent(t.Context(), r.set()))(t)
	if parent == nil {
		t.Fatal("the set has no parent")
	}
	return parent
}

// TestAPlanKnowsTheTypesOfTheSetBefore: a dry run comes before the cluster serves them.
func TestAPlanKnowsTheTypesOfTheSetBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	property := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "plan.example/v1", "kind": "Property", "metadata": map[string]any{"name": "x"},
	}}
	set := r.set(property)
	_, err := r.Plan(t.Context(), set)
	wantProblem(t, err, problem.Refused, "MissingCRD", "does not serve plan.example/v1")
	set.Types = []schema.GroupKind{{Group: "plan.example", Kind: "Property"}}
	plan := must(r.Plan(t.Context(), set))(t)
	if got := members(actions(plan.Changes)); !slices.Equal(got, []string{"created Property x"}) {
		t.Errorf("got %q", got)
	}
}
