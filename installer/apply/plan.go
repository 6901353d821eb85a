package apply

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Action is what happens to one object.
type Action string

// The actions, in the words kubectl uses.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
	Deleted    Action = "deleted"
)

// Change is what a plan does to one object.
type Change struct {
	Action    Action `json:"action"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Diff lists the fields that differ; Secrets show hashes.
	Diff []FieldDiff `json:"diff,omitempty"`

	object *unstructured.Unstructured
	// edit is true where the object is not ours, see EditPlan.
	edit bool
}

// Object is the change's object as "Kind namespace/name".
func (c Change) Object() string { return describe(c.object) }

// NewSecret is the change of a Secret that a dry run cannot render yet, because
// its content is made by the steps before it.
func NewSecret(namespace, name string) Change {
	return Change{
		Action: Created, Kind: "Secret", Namespace: namespace, Name: name,
		object: object("v1", "Secret", namespace, name, nil),
	}
}

// Plan is what applying a set would do. It is made by Applier.Plan.
type Plan struct {
	Set     string   `json:"set"`
	Changes []Change `json:"changes"`

	set    Set
	shrink bool
}

// Writes counts the changes that are not Unchanged.
func (p *Plan) Writes() int {
	writes := 0
	for _, change := range p.Changes {
		if change.Action != Unchanged {
			writes++
		}
	}
	return writes
}

// parallel bounds requests in flight per set.
const parallel = 8

// Plan compares a set with the cluster by server-side dry runs.
func (a *Applier) Plan(ctx context.Context, set Set) (*Plan, error) {
	if len(set.Objects) == 0 {
		return a.Remove(ctx, set.Name)
	}
	return a.plan(ctx, set, true)
}

// Amend compares some objects of a set with the cluster, as Plan does, and leaves
// what else is in the set as it is.
func (a *Applier) Amend(ctx context.Context, some Set) (*Plan, error) {
	return a.plan(ctx, some, false)
}

func (a *Applier) plan(ctx context.Context, set Set, whole bool) (*Plan, error) {
	live, err := a.liveParent(ctx, set)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Set: set.Name, set: set}
	members := set.Members()
	kinds, namespaces := spread(members)
	oldKinds, oldNamespaces := recorded(live)
	allKinds := union(kinds, oldKinds, lessKind)
	allNamespaces := union(namespaces, oldNamespaces, lessText)
	plan.shrink = whole && (len(allKinds) != len(kinds) || len(allNamespaces) != len(namespaces))

	wanted := append([]*unstructured.Unstructured{systemNamespace(), set.parent(allKinds, allNamespaces)}, members...)
	changes := make([]Change, len(wanted))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, one := range wanted {
		group.Go(func() error {
			change, err := a.compare(groupCtx, set, one)
			changes[i] = change
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	plan.Changes = changes
	if !whole {
		return plan, nil
	}
	stale, err := a.stale(ctx, set, members, allKinds, allNamespaces)
	plan.Changes = append(plan.Changes, stale...)
	return plan, err
}

// liveParent reads the parent of a set; nil where there is none.
func (a *Applier) liveParent(ctx context.Context, set Set) (*unstructured.Unstructured, error) {
	parent := set.parent(nil, nil)
	client, err := a.resource(parent)
	if err != nil {
		return nil, problem.New(problem.Cluster, "ClusterUnreachable", "plan %s", set.Name).On(a.cluster).Because(err)
	}
	live, err := client.Get(ctx, parent.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, a.explain(parent, "read", err)
	}
	return live, nil
}

// compare finds out what applying one object would do.
func (a *Applier) compare(ctx context.Context, set Set, wanted *unstructured.Unstructured) (Change, error) {
	change := Change{
		Action: Created, Kind: wanted.GetKind(), Namespace: wanted.GetNamespace(), Name: wanted.GetName(), object: wanted,
	}
	client, err := a.resource(wanted)
	if meta.IsNoMatchError(err) && slices.Contains(set.Types, wanted.GroupVersionKind().GroupKind()) {
		return change, nil
	}
	if err != nil {
		return change, a.explain(wanted, "plan", err)
	}
	live, err := client.Get(ctx, wanted.GetName(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return change, a.explain(wanted, "read", err)
	}
	if apierrors.IsNotFound(err) {
		live = nil
	}
	result, err := a.patch(ctx, wanted, true)
	if live == nil && apierrors.IsNotFound(err) {
		return change, nil // its namespace is created by the same plan
	}
	if err != nil {
		return change, a.explain(wanted, "plan", err)
	}
	if live == nil {
		return change, nil
	}
	change.Diff = diff(live, result)
	change.Action = Configured
	if len(change.Diff) == 0 {
		change.Action = Unchanged
	}
	return change, nil
}

// stale lists live members of the set that are no longer wanted.
func (a *Applier) stale(ctx context.Context, set Set, wanted []*unstructured.Unstructured, kinds []schema.GroupKind, namespaces []string) ([]Change, error) {
	keep := map[string]bool{}
	for _, one := range wanted {
		keep[one.GroupVersionKind().GroupKind().String()+" "+describe(one)] = true
	}
	var changes []Change
	for _, kind := range kinds {
		found, err := a.listMembers(ctx, set, kind, namespaces)
		if err != nil {
			return nil, err
		}
		for i := range found {
			one := &found[i]
			if !keep[kind.String()+" "+describe(one)] {
				changes = append(changes, Change{
					Action: Deleted, Kind: one.GetKind(), Namespace: one.GetNamespace(), Name: one.GetName(), object: one,
				})
			}
		}
	}
	return changes, nil
}

func (a *Applier) listMembers(ctx context.Context, set Set, kind schema.GroupKind, namespaces []string) ([]unstructured.Unstructured, error) {
	mapping, err := a.mapper.RESTMapping(kind)
	if meta.IsNoMatchError(err) {
		return nil, nil // the kind is gone, and its objects with it
	}
	if err != nil {
		return nil, err
	}
	options := metav1.ListOptions{LabelSelector: partOfLabel + "=" + set.id()}
	places := []string{""}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		places = append([]string{Namespace}, namespaces...)
	}
	var found []unstructured.Unstructured
	for _, place := range places {
		list, err := a.dynamic.Resource(mapping.Resource).Namespace(place).List(ctx, options)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, problem.New(problem.Cluster, "ApplyFailed", "list %s of set %s", kind, set.Name).On(a.cluster).Because(err)
		}
		found = append(found, list.Items...)
	}
	return found, nil
}
