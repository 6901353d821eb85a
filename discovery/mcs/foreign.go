package mcs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// owner is who else owns a dialect here: whom the configuration names, else whoever
// writes imports of it. Two controllers would undo each other's work.
func (w *Writer) owner(of *dialect, in *objects) (string, error) {
	for _, one := range w.Foreign {
		if one.Group == of.group {
			return one.Owner, nil
		}
	}
	if in == nil || !in.known() {
		return "", nil
	}
	have, err := in.list(ofImports)
	if err != nil {
		return "", err
	}
	owners := map[string]bool{}
	for _, one := range have {
		owners[foreignWriter(one)] = true
	}
	delete(owners, "")
	return strings.Join(slices.Sorted(maps.Keys(owners)), ", "), nil
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

// withdraw takes back all that is ours in a dialect. Where it is ours to say, exports
// are marked as ones that count for nobody: other members see them, too.
func (w *Writer) withdraw(ctx context.Context, in *objects, mark bool) error {
	imports, err := in.list(ofImports)
	if err != nil {
		return err
	}
	exports, err := in.list(ofExports)
	if err != nil {
		return err
	}
	var failures []error
	for _, one := range imports {
		if ours(one) {
			failures = append(failures, in.remove(ctx, one))
		} else {
			failures = append(failures, notGoing(in.release(ctx, ofImports, one)))
		}
	}
	for _, one := range exports {
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
