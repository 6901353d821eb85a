package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func named(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	one := &unstructured.Unstructured{}
	one.SetAPIVersion(apiVersion)
	one.SetKind(kind)
	one.SetNamespace(namespace)
	one.SetName(name)
	return one
}

// TestParentIsAnApplySet holds the parent to KEP-3659: the ID is
// applyset-<base64url(sha256(NAME.NAMESPACE.KIND.GROUP))>-v1, computed here with
// Python's hashlib.
func TestParentIsAnApplySet(t *testing.T) {
	t.Parallel()
	set := Set{Name: "gateway", Objects: []*unstructured.Unstructured{
		named("apps/v1", "Deployment", "zoo", "b"), named("v1", "Service", "zoo", "a"), named("apps/v1", "Deployment", "ark", "a"),
		named("v1", "Secret", Namespace, "ours"), named("rbac.authorization.k8s.io/v1", "ClusterRole", "", "r"),
	}}
	kinds, namespaces := spread(set.Members())
	parent := set.parent(kinds, namespaces)
	const id = "applyset-HD71XANNJmAgCDheW0i1BStCo3w3Mn7f57c2W4qZ0tA-v1"
	want := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": "eastwest-gateway", "namespace": "eastwest-system",
			"labels": map[string]any{"applyset.kubernetes.io/id": id, "app.kubernetes.io/managed-by": "eastwest"},
			"annotations": map[string]any{
				"applyset.kubernetes.io/tooling":               "eastwest/v1",
				"applyset.kubernetes.io/contains-group-kinds":  "ClusterRole.rbac.authorization.k8s.io,Deployment.apps,Secret,Service",
				"applyset.kubernetes.io/additional-namespaces": "ark,zoo",
			},
		},
	}
	if diff := cmp.Diff(want, parent.Object); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, member := range set.Members() {
		if got := member.GetLabels()["applyset.kubernetes.io/part-of"]; got != id {
			t.Errorf("%s is part of %q", describe(member), got)
		}
	}
	gotKinds, gotNamespaces := recorded(parent)
	if diff := cmp.Diff(kinds, gotKinds); diff != "" {
		t.Errorf("kinds read back (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(namespaces, gotNamespaces); diff != "" {
		t.Errorf("namespaces read back (-want +got)\n%s", diff)
	}
}

func TestMembersAreCopies(t *testing.T) {
	t.Parallel()
	given := named("v1", "Service", "zoo", "a")
	given.SetLabels(map[string]string{"team": "mesh"})
	members := Set{Name: "gateway", Objects: []*unstructured.Unstructured{given}}.Members()
	if len(given.GetLabels()) != 1 {
		t.Errorf("the caller's object was changed: %v", given.GetLabels())
	}
	if got := members[0].GetLabels(); got["team"] != "mesh" || got[ManagedByLabel] != FieldManager {
		t.Errorf("got labels %v", got)
	}
}

func TestRecordedReadsWhatItCan(t *testing.T) {
	t.Parallel()
	for name, parent := range map[string]*unstructured.Unstructured{
		"no parent":        nil,
		"no annotations":   {Object: map[string]any{}},
		"empty ones":       Set{Name: "x"}.parent(nil, nil),
		"only separators":  Set{Name: "x"}.parent([]schema.GroupKind{{}, {}}, []string{"", ""}),
		"another's parent": object("v1", "ConfigMap", "x", "x", map[string]string{"other": "a,b"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if kinds, namespaces := recorded(parent); len(kinds) > 0 || len(namespaces) > 0 {
				t.Errorf("got %v and %v", kinds, namespaces)
			}
		})
	}
}

func TestUnion(t *testing.T) {
	t.Parallel()
	got := union([]string{"c", "a"}, []string{"b", "a", "b"}, lessText)
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := union[string](nil, nil, lessText); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}
