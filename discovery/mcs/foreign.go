package mcs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// owner is who else owns a dialect here: whom the configuration names, else whoever
// writes imports of it. Two controllers would undo each other's work.
func (w *Writer) owner(of *dialect, in *objects) string {
	for _, one := range w.Foreign {
		if one.Group == of.group {
			return one.Owner
		}
	}
	if in == nil || !in.known() {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(in.owners)), ", ")
}

// notice finds out who wrote imports.
func (o *objects) notice(keys map[model.ServiceKey]struct{}) {
	for key := range keys {
		writer := ""
		if one := o.get(ofImports, key); one != nil {
			writer = foreignWriter(one)
		}
		before := o.foreign[key]
		if writer == before {
			continue
		}
		if delete(o.foreign, key); before != "" {
			if o.owners[before]--; o.owners[before] == 0 {
				delete(o.owners, before)
			}
		}
		if writer != "" {
			o.foreign[key] = writer
			o.owners[writer]++
		}
	}
}

// foreignWriter names the controller that wrote an import; empty where it is none that
// is known: what a person made by hand stays, and the others are ours to write.
// Source: the labels of imports of GKE and of Submariner's lighthouse, and the field
// manager of Cilium's operator.
func foreignWriter(one *unstructured.Unstructured) string {
	for key, value := range one.GetLabels() {
		switch {
		case key == labelManagedBy && strings.HasSuffix(value, ".gke.io"):
			return "GKE"
		case strings.HasPrefix(key, "lighthouse.submariner.io/"), strings.HasPrefix(key, "submariner-io/"):
			return "Submariner"
		}
	}
	for _, entry := range one.GetManagedFields() {
		switch {
		case strings.HasPrefix(entry.Manager, "cilium-operator"):
			return "Cilium"
		case strings.HasPrefix(entry.Manager, "lighthouse-"):
			return "Submariner"
		}
	}
	return ""
}

// withdraw takes back what is ours under one name in a dialect. Where it is ours to say,
// exports are marked as ones that count for nobody: other members see them, too.
func (w *Writer) withdraw(ctx context.Context, in *objects, key model.ServiceKey, mark bool) error {
	var failures []error
	switch one := in.get(ofImports, key); {
	case one == nil:
	case ours(one):
		failures = append(failures, in.remove(ctx, one))
	default:
		failures = append(failures, notGoing(in.release(ctx, ofImports, one)))
	}
	if one := in.get(ofExports, key); one != nil {
		failures = append(failures, notGoing(in.release(ctx, ofExports, one)), notGoing(in.unrecord(ctx, one, mark)))
	}
	return errors.Join(failures...)
}

// unrecord takes the incumbent off an export, and marks it or takes the mark off.
func (o *objects) unrecord(ctx context.Context, seen *unstructured.Unstructured, mark bool) error {
	annotations := seen.GetAnnotations()
	if annotations[v1alpha1.AnnotationIncumbent] != "" {
		if err := o.annotate(ctx, seen, v1alpha1.AnnotationIncumbent, nil); err != nil {
			return err
		}
	}
	if _, marked := annotations[v1alpha1.AnnotationOff]; marked == mark {
		return nil
	}
	if mark {
		return o.annotate(ctx, seen, v1alpha1.AnnotationOff, "true")
	}
	return o.annotate(ctx, seen, v1alpha1.AnnotationOff, nil)
}
