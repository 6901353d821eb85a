package installer

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
)

// TestWhoeverIsAnotherClusterIsNotTaken: what a cluster says of itself holds, unless
// it was we who said it.
func TestWhoeverIsAnotherClusterIsNotTaken(t *testing.T) {
	t.Parallel()
	property := func(name, value, manager string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "about.k8s.io/v1beta1", "kind": "ClusterProperty",
			"metadata": map[string]any{"name": name, "labels": map[string]any{apply.ManagedByLabel: manager}},
			"spec":     map[string]any{"value": value},
		}}
	}
	for name, tc := range map[string]struct {
		there []runtime.Object
		says  string
	}{
		"nothing was said":         {nil, ""},
		"the same was said":        {[]runtime.Object{property(member.PropertyCluster, "a", "somebody"), property(member.PropertySet, "shop", "somebody")}, ""},
		"we said another name":     {[]runtime.Object{property(member.PropertyCluster, "z", apply.FieldManager)}, ""},
		"another name":             {[]runtime.Object{property(member.PropertyCluster, "z", "somebody")}, `"z", and would be "a" here`},
		"it is in another set":     {[]runtime.Object{property(member.PropertySet, "other", "somebody")}, `"other", and would be "shop" here`},
		"a property of other kind": {[]runtime.Object{property("example.com/color", "blue", "somebody")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := ofMembers(map[string]bool{"a": false}, v1alpha1.MeshSpec{})
			in.mesh.Metadata.Name = "shop"
			lists := map[schema.GroupVersionResource]string{{Group: "about.k8s.io", Version: "v1beta1", Resource: "clusterproperties"}: "ClusterPropertyList"}
			in.sites[0].member = &member.Member{Dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, tc.there...)}
			err := in.checkClusterProperties(t.Context())
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "ClusterPropertyDiffers")) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}
