// Package apply brings a set of objects into one cluster: server-side apply with
// our field manager, ownership as an ApplySet (KEP-3659), pruning of what is no
// longer rendered, and waiting. Planning never writes; applying never decides.
//
// It does not know what the objects are for, and touches none that is neither
// in the set nor labelled as its member.
package apply

import (
	"context"
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// FieldManager is the name under which we own fields.
const FieldManager = "eastwest"

// Namespace holds our own bookkeeping in a cluster: the parents of the sets and
// the accounts of peers.
const Namespace = "eastwest-system"

// ManagedByLabel marks every object we made.
const ManagedByLabel = "app.kubernetes.io/managed-by"

// Applier writes to one cluster.
type Applier struct {
	cluster string
	dynamic dynamic.Interface
	mapper  meta.RESTMapper
	// adopt takes over fields which another manager owns.
	adopt bool
}

// Options of an Applier.
type Options struct {
	// Cluster is the member's name, for messages.
	Cluster string
	Dynamic dynamic.Interface
	Mapper  meta.RESTMapper
	// Adopt takes over fields owned by other managers instead of refusing.
	Adopt bool
}

// New returns an Applier. It contacts nothing.
func New(options Options) *Applier {
	return &Applier{cluster: options.Cluster, dynamic: options.Dynamic, mapper: options.Mapper, adopt: options.Adopt}
}

// resource is the client for an object's kind and namespace.
func (a *Applier) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := object.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		if resettable, ok := a.mapper.(meta.ResettableRESTMapper); ok && meta.IsNoMatchError(err) {
			resettable.Reset()
			mapping, err = a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		}
		if err != nil {
			return nil, err
		}
	}
	client := a.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return client.Namespace(object.GetNamespace()), nil
	}
	return client, nil
}

// patch is one server-side apply.
func (a *Applier) patch(ctx context.Context, object *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	client, err := a.resource(object)
	if err != nil {
		return nil, err
	}
	body, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	force := a.adopt
	options := metav1.PatchOptions{FieldManager: FieldManager, Force: &force}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	for attempt := 1; ; attempt++ {
		result, err := client.Patch(ctx, object.GetName(), types.ApplyPatchType, body, options)
		// Two sets that are applied at once may both create our namespace.
		again := webhookTimeout(err) || apierrors.IsAlreadyExists(err)
		if err == nil || attempt == maxAttempts || !again {
			return result, err
		}
	}
}

// maxAttempts bounds the tries of a request whose admission webhook timed out.
// A denial is final and not tried again.
const maxAttempts = 3

func webhookTimeout(err error) bool {
	if !apierrors.IsInternalError(err) && !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "failed calling webhook") &&
		(strings.Contains(text, "deadline exceeded") || strings.Contains(text, "timeout"))
}

// describe is an object as "Kind namespace/name".
func describe(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetKind() + " " + object.GetName()
	}
	return fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
}

// explain turns an API error into a problem.
func (a *Applier) explain(object *unstructured.Unstructured, act string, err error) error {
	if apierrors.IsConflict(err) {
		return problem.New(problem.Refused, "FieldConflict", "%s: another field manager owns what we would set", act).
			On(a.cluster).About(describe(object)).Because(err).
			WithFix("look at its managedFields; take it over with --adopt, or let its owner set the wanted values")
	}
	if meta.IsNoMatchError(err) {
		return problem.New(problem.Refused, "MissingCRD", "%s: the cluster does not serve %s", act, object.GroupVersionKind()).
			On(a.cluster).About(describe(object)).
			WithFix("install Istio's CRDs in this cluster first")
	}
	failure := problem.New(problem.Cluster, "ApplyFailed", "%s", act).
		On(a.cluster).About(describe(object)).Because(err)
	if apierrors.IsForbidden(err) && !strings.Contains(err.Error(), "admission webhook") {
		return failure.WithFix("the kubeconfig needs rights to write this object: kubectl auth can-i --list")
	}
	return failure
}

// systemNamespace is the namespace of our bookkeeping.
func systemNamespace() *unstructured.Unstructured {
	namespace := object("v1", "Namespace", "", Namespace, nil)
	labels := namespace.GetLabels()
	labels["istio-injection"] = "disabled" // nothing of the mesh runs there
	namespace.SetLabels(labels)
	return namespace
}

func object(apiVersion, kind, namespace, name string, annotations map[string]string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetLabels(map[string]string{ManagedByLabel: FieldManager})
	o.SetAnnotations(annotations)
	return o
}

// Sets lists the names of the sets of ours that are in the cluster, sorted.
func (a *Applier) Sets(ctx context.Context) ([]string, error) {
	parents, err := a.dynamic.Resource(configMaps).Namespace(Namespace).List(ctx, metav1.ListOptions{LabelSelector: idLabel})
	if err != nil {
		return nil, problem.New(problem.Cluster, "", "list what eastwest made").On(a.cluster).Because(err)
	}
	var names []string
	for _, parent := range parents.Items {
		if name, ours := strings.CutPrefix(parent.GetName(), FieldManager+"-"); ours {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// EmptyNamespace returns the plan that deletes our bookkeeping namespace; it is
// empty where the namespace is not ours or still holds a set.
func (a *Applier) EmptyNamespace(ctx context.Context) (*Plan, error) {
	namespace := systemNamespace()
	client, err := a.resource(namespace)
	if err != nil {
		return nil, a.explain(namespace, "delete", err)
	}
	live, err := client.Get(ctx, Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &Plan{}, nil
	}
	if err != nil {
		return nil, a.explain(namespace, "read", err)
	}
	left, err := a.Sets(ctx)
	if err != nil || len(left) > 0 || live.GetLabels()[ManagedByLabel] != FieldManager {
		return &Plan{}, err
	}
	return &Plan{Set: "namespace", Changes: []Change{{Action: Deleted, Kind: "Namespace", Name: Namespace, object: live}}}, nil
}
