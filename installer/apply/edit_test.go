package apply

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestAnEditIsWrittenOverWhatWasRead, and over nothing else: who was faster keeps what
// he wrote.
func TestAnEditIsWrittenOverWhatWasRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	theirs := r.configMap("dns", map[string]any{"file": "a\nb\nc\n"})
	r.as(t.Context(), t, "somebody", theirs)
	client := must(r.resource(theirs))(t)
	read := func() *unstructured.Unstructured { return must(client.Get(t.Context(), "dns", metav1.GetOptions{}))(t) }
	changed := func(text string) *unstructured.Unstructured {
		out := read()
		if err := unstructured.SetNestedField(out.Object, text, "data", "file"); err != nil {
			t.Fatal(err)
		}
		return out
	}

	plan := EditPlan("dns", Edit{Before: read(), After: changed("a\nb\nours\nc\n")})
	if diff := cmp.Diff([]FieldDiff{{"data.file", "", `"ours\n"`}}, plan.Changes[0].Diff); diff != "" || plan.Writes() != 1 {
		t.Errorf("%d writes (-want +got)\n%s", plan.Writes(), diff)
	}
	if writes := r.writes.take(); len(writes) > 0 {
		t.Errorf("planning writes %q", writes)
	}
	if err := r.Apply(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(t.Context(), plan, nil); !Raced(err) {
		t.Errorf("it was written over what was not read: %v", err)
	}
	now := read()
	if text, _, _ := unstructured.NestedString(now.Object, "data", "file"); text != "a\nb\nours\nc\n" || len(now.GetLabels()) > 0 {
		t.Errorf("got %q, labels %v", text, now.GetLabels())
	}

	r.writes.take()
	if err := r.Apply(t.Context(), EditPlan("dns", Edit{Before: now, After: now}), nil); err != nil {
		t.Fatal(err)
	}
	if writes := r.writes.take(); len(writes) > 0 {
		t.Errorf("nothing was to be done, and it writes %q", writes)
	}
}

// TestAnEditMakesAndDeletes: an object is deleted only as it was read.
func TestAnEditMakesAndDeletes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	wanted := r.configMap("custom", map[string]any{"file": "x"})
	client := must(r.resource(wanted))(t)
	plan := EditPlan("dns", Edit{After: wanted})
	if err := r.Apply(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(t.Context(), plan, nil); !Raced(err) {
		t.Errorf("made twice: %v", err)
	}
	read := must(client.Get(t.Context(), "custom", metav1.GetOptions{}))(t)
	r.as(t.Context(), t, "somebody", r.configMap("custom", map[string]any{"theirs": "y"}))
	remove := EditPlan("dns", Edit{Before: read, After: read, Delete: true})
	if want := []string{"deleted ConfigMap custom"}; !slices.Equal(actions(remove.Changes), want) {
		t.Errorf("got %q, want %q", actions(remove.Changes), want)
	}
	if err := r.Apply(t.Context(), remove, nil); !Raced(err) {
		t.Errorf("deleted, though it was edited since: %v", err)
	}
	read = must(client.Get(t.Context(), "custom", metav1.GetOptions{}))(t)
	if err := r.Apply(t.Context(), EditPlan("dns", Edit{Before: read, After: read, Delete: true}), nil); err != nil {
		t.Error(err)
	}
}
