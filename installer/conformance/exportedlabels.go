package conformance

import (
	"context"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// exportedLabelsCases are about labels and annotations of exports.
func exportedLabelsCases() []Case {
	labels, anchor := []string{labelExportedLabels}, kep+"#labels-and-annotations"
	return []Case{
		{
			Number: 15, Group: Optional, Labels: labels, Reference: anchor,
			Title: "the ServiceImport has the labels and annotations that are exported, and none of the Service or the ServiceExport",
			run:   labelsExported,
		},
		{
			Number: 16, Group: Optional, Labels: labels, Reference: anchor, two: true,
			Title: "of exported labels and annotations that differ the older export's are imported alone, and it is a conflict of both exports",
			run:   olderLabelsWin,
		},
	}
}

// own is a key and its value on what is not to be exported.
var own = map[string]string{"conformance.example.com/own": "not-exported"}

// labelled exports a label and an annotation.
func labelled(key, value string) *mcs.ServiceExport {
	return &mcs.ServiceExport{Spec: mcs.ServiceExportSpec{
		ExportedLabels: map[string]string{key: value}, ExportedAnnotations: map[string]string{key: value},
	}}
}

func labelsExported(ctx context.Context, s *scene) error {
	service := hello()
	service.Labels, service.Annotations = own, own
	export := labelled("conformance.example.com/exported", "yes")
	export.ObjectMeta = metav1.ObjectMeta{Labels: own, Annotations: own}
	if err := s.exportWith(ctx, s.first(), service, export); err != nil {
		return err
	}
	return s.imported(ctx, func(one *mcs.ServiceImport) error { return hasOnly(one, export.Spec, own) })
}

func olderLabelsWin(ctx context.Context, s *scene) error {
	older, younger := labelled("conformance.example.com/older", "first"), labelled("conformance.example.com/younger", "second")
	if err := s.exportBoth(ctx, hello(), hello(), older, younger); err != nil {
		return err
	}
	if err := s.conflicts(ctx); err != nil {
		return err
	}
	return s.imported(ctx, func(one *mcs.ServiceImport) error { return hasOnly(one, older.Spec, younger.Spec.ExportedLabels) })
}

// hasOnly wants on an import what is exported, and nothing of what is not.
func hasOnly(one *mcs.ServiceImport, exported mcs.ServiceExportSpec, not map[string]string) error {
	for _, part := range []struct {
		what       string
		have, want map[string]string
	}{{"labels", one.Labels, exported.ExportedLabels}, {"annotations", one.Annotations, exported.ExportedAnnotations}} {
		for key, value := range part.want {
			if part.have[key] != value {
				return violated("the %s are %v, want %s=%s among them", part.what, part.have, key, value)
			}
		}
		for key := range maps.Keys(not) {
			if value, found := part.have[key]; found {
				return violated("the %s have %s=%s, which is not exported", part.what, key, value)
			}
		}
	}
	return nil
}
