package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// RemoveLabelled plans the deletion of the objects of some kinds that carry a
// label, in all namespaces: what an agent wrote, which is in no set. Kinds that
// the cluster does not have are passed over.
func (a *Applier) RemoveLabelled(ctx context.Context, name, label string, kinds ...schema.GroupKind) (*Plan, error) {
	plan := &Plan{Set: name}
	for _, kind := range kinds {
		mapping, err := a.mapper.RESTMapping(kind)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := a.dynamic.Resource(mapping.Resource).List(ctx, metav1.ListOptions{LabelSelector: label})
		if err != nil {
			return nil, problem.New(problem.Cluster, "ApplyFailed", "list %s with label %s", kind, label).On(a.cluster).Because(err)
		}
		for i := range list.Items {
			one := &list.Items[i]
			plan.Changes = append(plan.Changes, Change{
				Action: Deleted, Kind: one.GetKind(), Namespace: one.GetNamespace(), Name: one.GetName(), object: one,
			})
		}
	}
	return plan, nil
}
