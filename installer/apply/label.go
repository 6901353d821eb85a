package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// LabelNamespace returns the plan that puts one label on a namespace that is not
// ours. The namespace does not become a member of any set, so that it is never
// pruned; UnlabelNamespace takes the label back.
func LabelNamespace(name, key, value string) *Plan {
	target := bareNamespace(name)
	target.SetLabels(map[string]string{key: value})
	return &Plan{Set: "label", Changes: []Change{{
		Action: Configured, Kind: "Namespace", Name: name, object: target,
		Diff: []FieldDiff{{Path: "metadata.labels." + key, New: value}},
	}}}
}

// UnlabelNamespace returns the plan that takes back the labels we put on a
// namespace that is not ours; it is empty where there is none.
func (a *Applier) UnlabelNamespace(ctx context.Context, name string) (*Plan, error) {
	target := bareNamespace(name)
	client, err := a.resource(target)
	if err != nil {
		return nil, a.explain(target, "read", err)
	}
	live, err := client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &Plan{}, nil
	}
	if err != nil {
		return nil, a.explain(target, "read", err)
	}
	for _, entry := range live.GetManagedFields() {
		if entry.Manager == FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply {
			return &Plan{Set: "label", Changes: []Change{{Action: Configured, Kind: "Namespace", Name: name, object: target}}}, nil
		}
	}
	return &Plan{}, nil
}

func bareNamespace(name string) *unstructured.Unstructured {
	target := object("v1", "Namespace", "", name, nil)
	target.SetLabels(nil)
	return target
}
