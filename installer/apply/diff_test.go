package apply

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 200)
	for name, tc := range map[string]struct {
		kind         string
		live, wanted map[string]any
		want         []FieldDiff
	}{
		"equal": {"ConfigMap", map[string]any{"data": map[string]any{"a": "1"}}, map[string]any{"data": map[string]any{"a": "1"}}, nil},
		"what the API server writes by itself": {
			"ConfigMap",
			map[string]any{"metadata": map[string]any{"resourceVersion": "1", "uid": "x", "generation": int64(1)}, "status": map[string]any{"a": "1"}},
			map[string]any{"metadata": map[string]any{"resourceVersion": "2", "managedFields": []any{"x"}, "creationTimestamp": "now"}},
			nil,
		},
		"fields by path, sorted": {
			"Service",
			map[string]any{"spec": map[string]any{"type": "ClusterIP", "gone": true}},
			map[string]any{"spec": map[string]any{"type": "NodePort", "new": []any{int64(1)}}},
			[]FieldDiff{{"spec.gone", "true", ""}, {"spec.new", "", "[1]"}, {"spec.type", `"ClusterIP"`, `"NodePort"`}},
		},
		"a map that was a text": {
			"X",
			map[string]any{"a": "1"},
			map[string]any{"a": map[string]any{"b": "2"}},
			[]FieldDiff{{"a", `"1"`, `{"b":"2"}`}},
		},
		"long values are cut": {
			"ConfigMap",
			map[string]any{"data": map[string]any{"a": "1"}},
			map[string]any{"data": map[string]any{"a": long}},
			[]FieldDiff{{"data.a", `"1"`, `"` + long[:119] + "..."}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live, wanted := &unstructured.Unstructured{Object: tc.live}, &unstructured.Unstructured{Object: tc.wanted}
			live.SetKind(tc.kind)
			wanted.SetKind(tc.kind)
			if diff := cmp.Diff(tc.want, diff(live, wanted)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestSecretsAreShownAsHashes, whichever way their content is written.
func TestSecretsAreShownAsHashes(t *testing.T) {
	t.Parallel()
	secret := func(field string, value any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"kind": "Secret", field: value}}
	}
	for name, tc := range map[string]struct {
		live, wanted *unstructured.Unstructured
		paths        string
	}{
		"one key changes":   {secret("data", map[string]any{"a": "aHVzaA=="}), secret("data", map[string]any{"a": "bmV3"}), "data.a"},
		"a key appears":     {secret("data", map[string]any{}), secret("data", map[string]any{"a": "aHVzaA=="}), "data.a"},
		"a key disappears":  {secret("data", map[string]any{"a": "aHVzaA=="}), secret("data", map[string]any{}), "data.a"},
		"all data at once":  {secret("x", nil), secret("data", map[string]any{"a": "aHVzaA=="}), "data"},
		"as text":           {secret("x", nil), secret("stringData", map[string]any{"a": "aHVzaA=="}), "stringData"},
		"as something else": {secret("data", "aHVzaA=="), secret("data", []any{"aHVzaA=="}), "data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := diff(tc.live, tc.wanted)
			if len(found) != 1 || found[0].Path != tc.paths {
				t.Fatalf("got %+v", found)
			}
			for _, shown := range []string{found[0].Old, found[0].New} {
				if shown != "" && (!strings.HasPrefix(shown, "sha256:") || strings.Contains(shown, "aHVz")) {
					t.Errorf("shown is %q", shown)
				}
			}
		})
	}
	equal := diff(secret("data", map[string]any{"a": "b"}), secret("data", map[string]any{"a": "c"}))
	again := diff(secret("data", map[string]any{"a": "b"}), secret("data", map[string]any{"a": "c"}))
	if diff := cmp.Diff(equal, again); diff != "" || equal[0].Old == equal[0].New {
		t.Errorf("a hash must tell values apart, and be the same again: %+v\n%s", equal, diff)
	}
}
