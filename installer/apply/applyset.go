package apply

import (
	"crypto/sha256"
	"encoding/base64"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Labels and annotations of ApplySets.
// Source: KEP-3659, "kubectl apply --prune" by ApplySet.
const (
	partOfLabel            = "applyset.kubernetes.io/part-of"
	idLabel                = "applyset.kubernetes.io/id"
	toolingAnnotation      = "applyset.kubernetes.io/tooling"
	groupKindsAnnotation   = "applyset.kubernetes.io/contains-group-kinds"
	moreNamespacesAnnotion = "applyset.kubernetes.io/additional-namespaces"
	tooling                = "eastwest/v1"
)

// Set is what one ApplySet holds in one cluster: everything of it that is not
// listed here is deleted.
type Set struct {
	// Name of the set, such as "gateway". Its parent is the ConfigMap
	// eastwest-NAME in our namespace.
	Name string
	// Objects wanted. They are labelled as members when they are applied.
	Objects []*unstructured.Unstructured
	// Types are the kinds that a set before this one brings: a dry run may come before
	// the cluster knows them.
	Types []schema.GroupKind
}

func (s Set) parentName() string { return FieldManager + "-" + s.Name }

// id is the ApplySet's identity by the formula of the KEP.
func (s Set) id() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.parentName(), Namespace, "ConfigMap", ""}, ".")))
	return "applyset-" + base64.RawURLEncoding.EncodeToString(sum[:]) + "-v1"
}

// Members returns copies of the objects with our labels.
func (s Set) Members() []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, len(s.Objects))
	for i, wanted := range s.Objects {
		out[i] = wanted.DeepCopy()
		labels := out[i].GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[partOfLabel] = s.id()
		labels[ManagedByLabel] = FieldManager
		out[i].SetLabels(labels)
	}
	return out
}

// parent is the ConfigMap that stands for the set. Its annotations list where
// members may be, so that a later run finds what it must prune.
func (s Set) parent(kinds []schema.GroupKind, namespaces []string) *unstructured.Unstructured {
	parent := object("v1", "ConfigMap", Namespace, s.parentName(), map[string]string{
		toolingAnnotation:      tooling,
		groupKindsAnnotation:   joinKinds(kinds),
		moreNamespacesAnnotion: strings.Join(namespaces, ","),
	})
	labels := parent.GetLabels()
	labels[idLabel] = s.id()
	parent.SetLabels(labels)
	return parent
}

// spread lists the kinds and namespaces of objects, sorted, without ours.
func spread(objects []*unstructured.Unstructured) (kinds []schema.GroupKind, namespaces []string) {
	seenKinds, seenNamespaces := map[schema.GroupKind]bool{}, map[string]bool{}
	for _, one := range objects {
		seenKinds[one.GroupVersionKind().GroupKind()] = true
		if ns := one.GetNamespace(); ns != "" && ns != Namespace {
			seenNamespaces[ns] = true
		}
	}
	for kind := range seenKinds {
		kinds = append(kinds, kind)
	}
	for namespace := range seenNamespaces {
		namespaces = append(namespaces, namespace)
	}
	sort.Slice(kinds, func(i, j int) bool { return kinds[i].String() < kinds[j].String() })
	sort.Strings(namespaces)
	return kinds, namespaces
}

func joinKinds(kinds []schema.GroupKind) string {
	texts := make([]string, len(kinds))
	for i, kind := range kinds {
		texts[i] = kind.String()
	}
	return strings.Join(texts, ",")
}

// recorded reads back what a live parent lists.
func recorded(parent *unstructured.Unstructured) (kinds []schema.GroupKind, namespaces []string) {
	if parent == nil {
		return nil, nil
	}
	annotations := parent.GetAnnotations()
	for _, text := range strings.Split(annotations[groupKindsAnnotation], ",") {
		if text != "" {
			kinds = append(kinds, schema.ParseGroupKind(text))
		}
	}
	for _, text := range strings.Split(annotations[moreNamespacesAnnotion], ",") {
		if text != "" {
			namespaces = append(namespaces, text)
		}
	}
	return kinds, namespaces
}

// union merges two sorted-or-not lists, sorted and without repeats.
func union[T comparable](a, b []T, less func(x, y T) bool) []T {
	seen := map[T]bool{}
	var out []T
	for _, one := range append(append([]T{}, a...), b...) {
		if !seen[one] {
			seen[one] = true
			out = append(out, one)
		}
	}
	sort.Slice(out, func(i, j int) bool { return less(out[i], out[j]) })
	return out
}

func lessKind(a, b schema.GroupKind) bool { return a.String() < b.String() }
func lessText(a, b string) bool           { return a < b }
