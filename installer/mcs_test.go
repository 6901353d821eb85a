package installer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/render"
)

// rendered is what up writes of an agent: its configuration, and the digest of that.
func rendered(t *testing.T, mcs v1alpha1.AgentMCS) (text, digest string) {
	t.Helper()
	in := ofMembers(map[string]bool{"a": false}, v1alpha1.MeshSpec{
		Images: v1alpha1.Images{Agent: "reg/agent:v1"},
		Agent:  v1alpha1.Agent{Values: map[string]any{"config": map[string]any{"limits": map[string]any{"bytes": 67108864, "checks": 0}}}},
	})
	in.dataplane = "envoy"
	in.sites[0].mcs = mcs
	objects, err := in.agentObjects(in.sites[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range objects {
		switch {
		case one.GetKind() == "ConfigMap" && one.GetName() == agentConfigMap:
			text, _, _ = unstructured.NestedString(one.Object, "data", agentConfigKey)
		case one.GetKind() == "Deployment" && one.GetName() == agentName:
			digest, _, _ = unstructured.NestedString(one.Object, "spec", "template", "metadata", "annotations", annotationConfig)
		}
	}
	if text == "" || digest == "" {
		t.Fatal("the chart has its configuration elsewhere")
	}
	return text, digest
}

// TestTheSwitchWritesWhatUpWrites: a second up finds nothing to do, whichever way the
// agent came to be switched.
func TestTheSwitchWritesWhatUpWrites(t *testing.T) {
	t.Parallel()
	off := false
	parts := map[string]v1alpha1.AgentMCS{
		"on":               {},
		"off":              {Enabled: &off},
		"on beside others": {Foreign: []v1alpha1.ForeignDialect{{Group: v1alpha1.MCSGKE, Owner: "GKE"}}},
		"off and others":   {Enabled: &off, Foreign: []v1alpha1.ForeignDialect{{Group: v1alpha1.MCSUpstream, Owner: "Cilium"}}},
	}
	for from, before := range parts {
		for to, after := range parts {
			text, _ := rendered(t, before)
			want, digest := rendered(t, after)
			got, err := switched(text, after)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("from %s to %s: %v (-up +switch)\n%s", from, to, err, diff)
			}
			if got := configDigest(got); got != digest {
				t.Errorf("from %s to %s: digest %s, up writes %s", from, to, got, digest)
			}
		}
	}
}

// TestTypesOfOthersAndLaterOnesStay, and ours of before are written over.
func TestTypesOfOthersAndLaterOnesStay(t *testing.T) {
	t.Parallel()
	const name = "serviceimports.net.gke.io"
	of := func(labels map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": name, "labels": labels},
		}}
	}
	all, err := render.Types()
	if err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		there []runtime.Object
		taken bool
	}{
		"there is none":              {nil, true},
		"ours of before":             {[]runtime.Object{of(map[string]any{apply.ManagedByLabel: apply.FieldManager})}, true},
		"ours of a later release":    {[]runtime.Object{of(map[string]any{apply.ManagedByLabel: apply.FieldManager, "eastwest.dev/release-version": "v99.0.0"})}, false},
		"GKE's":                      {[]runtime.Object{of(map[string]any{"addonmanager.kubernetes.io/mode": "Reconcile"})}, false},
		"somebody's, without labels": {[]runtime.Object{of(nil)}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := ofMembers(map[string]bool{"a": false}, v1alpha1.MeshSpec{})
			lists := map[schema.GroupVersionResource]string{{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}: "CustomResourceDefinitionList"}
			in.sites[0].member = &member.Member{Dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, tc.there...)}
			types, err := in.agentTypes(t.Context(), in.sites[0])
			if err != nil {
				t.Fatal(err)
			}
			taken := false
			for _, one := range types {
				taken = taken || one.GetName() == name
			}
			if want := len(all) - 1; taken != tc.taken || !taken && len(types) != want {
				t.Errorf("taken is %v of %d types", taken, len(types))
			}
		})
	}
}

// TestWhoIsImportedFrom: members are named as such, and as memberships.
func TestWhoIsImportedFrom(t *testing.T) {
	t.Parallel()
	of := func(clusters ...string) *unstructured.Unstructured {
		var list []any
		for _, one := range clusters {
			list = append(list, map[string]any{"cluster": one})
		}
		return &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"namespace": "shop", "name": "web"}, "status": map[string]any{"clusters": list},
		}}
	}
	for name, tc := range map[string]struct {
		of   *unstructured.Unstructured
		want bool
	}{
		"by name":          {of("west", "east"), true},
		"by membership":    {of("projects/shop/locations/eu/memberships/east"), true},
		"from others":      {of("west", "east-2", "projects/east/locations/east/memberships/west"), false},
		"nobody is named":  {of(), false},
		"no status at all": {&unstructured.Unstructured{Object: map[string]any{}}, false},
	} {
		if got := importsFrom(tc.of, []string{"east"}); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, tc := range map[string]struct {
		rule v1alpha1.ExportRule
		want bool
	}{
		"by its name":       {v1alpha1.ExportRule{Namespace: "shop", Name: "web"}, true},
		"all of the space":  {v1alpha1.ExportRule{Namespace: "shop", Name: "*"}, true},
		"another service":   {v1alpha1.ExportRule{Namespace: "shop", Name: "cart"}, false},
		"another namespace": {v1alpha1.ExportRule{Namespace: "other", Name: "*"}, false},
	} {
		if got := byPolicy([]v1alpha1.ExportRule{tc.rule}, of("east")); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
