package installer

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// clusterProperties say which cluster of which set a member is, for everybody who
// reads KEP-2149. The name of a member is its ID: a label that no other member has.
func clusterProperties(name, mesh string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, one := range [][2]string{{member.PropertyCluster, name}, {member.PropertySet, mesh}} {
		out = append(out, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "about.k8s.io/v1beta1", "kind": "ClusterProperty",
			"metadata": map[string]any{"name": one[0]},
			"spec":     map[string]any{"value": one[1]},
		}})
	}
	return out
}

// checkClusterProperties refuses members of which somebody else says that they are
// another cluster, or in another set: an ID is fixed for as long as it is used.
func (in *Installer) checkClusterProperties(ctx context.Context) error {
	var refusals []error
	for _, s := range in.alive() {
		refusals = append(refusals, s.checkProperties(ctx, clusterProperties(s.name(), in.meshName())))
	}
	return errors.Join(refusals...)
}

func (s *site) checkProperties(ctx context.Context, wanted []*unstructured.Unstructured) error {
	var refusals []error
	for _, one := range wanted {
		refusals = append(refusals, s.checkProperty(ctx, one))
	}
	return errors.Join(refusals...)
}

func (s *site) checkProperty(ctx context.Context, wanted *unstructured.Unstructured) error {
	name := wanted.GetName()
	want, _, _ := unstructured.NestedString(wanted.Object, "spec", "value")
	have, labels, err := s.member.Property(ctx, name)
	if err != nil {
		return located(ctx, err, s.name())
	}
	if have == "" || have == want || labels[apply.ManagedByLabel] == apply.FieldManager {
		return nil
	}
	fix := "name the member so: --kubeconfig " + have + "=PATH"
	if name == member.PropertySet {
		fix = "take it out of that set first, or name the mesh so: --mesh " + have
	}
	return problem.New(problem.Refused, "ClusterPropertyDiffers", "it says that it is %q, and would be %q here", have, want).
		On(s.name()).About("ClusterProperty "+name).WithFix("%s", fix)
}
