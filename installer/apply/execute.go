package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Apply does what the plan says, in its order, and calls done after each
// object. Unchanged objects are not written. It stops at the first failure:
// what was done stays, and a later run goes on from there.
func (a *Applier) Apply(ctx context.Context, plan *Plan, done func(Change)) error {
	for _, change := range plan.Changes {
		var err error
		switch {
		case change.edit:
			err = a.write(ctx, change)
		case change.Action == Created, change.Action == Configured:
			_, err = a.patch(ctx, change.object, false)
		case change.Action == Deleted:
			err = a.delete(ctx, change.object)
		}
		switch {
		case err != nil && change.edit && Raced(err):
			return problem.New(problem.Cluster, "EditedMeanwhile", "somebody else writes it at the same time").
				On(a.cluster).About(describe(change.object)).Because(err).WithFix("run this again")
		case err != nil:
			return a.explain(change.object, "apply", err)
		}
		if done != nil {
			done(change)
		}
	}
	return a.settle(ctx, plan)
}

// settle leaves in the parent only what the set now holds.
func (a *Applier) settle(ctx context.Context, plan *Plan) error {
	if !plan.shrink {
		return nil
	}
	kinds, namespaces := spread(plan.set.Objects)
	parent := plan.set.parent(kinds, namespaces)
	if _, err := a.patch(ctx, parent, false); err != nil {
		return a.explain(parent, "apply", err)
	}
	return nil
}

func (a *Applier) delete(ctx context.Context, target *unstructured.Unstructured) error {
	client, err := a.resource(target)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	if uid := target.GetUID(); uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	if err := client.Delete(ctx, target.GetName(), options); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if target.GetKind() != "Namespace" {
		return nil
	}
	// Nothing can be made in a namespace that is going.
	return Poll(ctx, func(ctx context.Context) (bool, error) {
		_, err := client.Get(ctx, target.GetName(), metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

// Remove plans the deletion of a whole set.
func (a *Applier) Remove(ctx context.Context, name string) (*Plan, error) {
	set := Set{Name: name}
	live, err := a.liveParent(ctx, set)
	if err != nil || live == nil {
		return &Plan{Set: name, set: set}, err
	}
	kinds, namespaces := recorded(live)
	stale, err := a.stale(ctx, set, nil, kinds, namespaces)
	if err != nil {
		return nil, err
	}
	live.SetManagedFields(nil)
	parent := Change{Action: Deleted, Kind: live.GetKind(), Namespace: live.GetNamespace(), Name: live.GetName(), object: live}
	return &Plan{Set: name, set: set, Changes: append(stale, parent)}, nil
}
