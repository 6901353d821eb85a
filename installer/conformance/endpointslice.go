package conformance

import (
	"context"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// endpointSliceCases are about the slices of imports, and what imports say of them.
func endpointSliceCases() []Case {
	return []Case{
		{
			Number: 17, Group: Optional, Labels: []string{labelEndpointSlice}, Reference: kep + "#using-endpointslice-objects-to-track-endpoints",
			Title: "every cluster has EndpointSlices with the exporter's endpoints, which say whose they are, until the export is withdrawn",
			hello: [2]int32{1}, run: slicesImported,
		},
		{
			Number: 28, Group: Beyond, Labels: []string{labelStatus, labelEndpointSlice}, Reference: kep + "#using-endpointslice-objects-to-track-endpoints",
			Title: "the ServiceImport says whether there are EndpointSlices of it, and so it is",
			hello: [2]int32{1}, run: slicesAnnounced,
		},
		{
			Number: 29, Group: Beyond, Labels: []string{labelStatus}, Reference: kep + "#importing-services",
			Title: "the ServiceImport says that it is ready, and which clusters export it",
			run:   importReady,
		},
	}
}

func slicesImported(ctx context.Context, s *scene) error {
	if err := s.exportHello(ctx); err != nil {
		return err
	}
	err := s.everywhere(func(m *Member) error {
		return eventually(ctx, slicesBound, func(ctx context.Context) error { return s.hasSlices(ctx, m) })
	})
	if err != nil {
		return err
	}
	if err := s.unexport(ctx, s.first()); err != nil {
		return err
	}
	return s.everywhere(func(m *Member) error {
		return eventually(ctx, slicesBound, func(ctx context.Context) error { return s.hasNoSlices(ctx, m) })
	})
}

// exportHello exports hello from the first cluster when its pod is ready.
func (s *scene) exportHello(ctx context.Context) error {
	if _, err := s.helloPods(ctx, s.first(), 1); err != nil {
		return err
	}
	return s.export(ctx, s.first(), hello())
}

// hasSlices wants an endpoint in each family of the import.
func (s *scene) hasSlices(ctx context.Context, m *Member) error {
	all, err := s.slices(ctx, m)
	if err != nil {
		return err
	}
	counts := map[discoveryv1.AddressType]int{}
	for i := range all {
		if err := sliceIsRight(&all[i]); err != nil {
			return err
		}
		counts[all[i].AddressType] += len(all[i].Endpoints)
	}
	return s.importIs(ctx, m, helloName, func(one *mcs.ServiceImport) error {
		if len(one.Spec.IPFamilies) == 0 {
			return violated("the ServiceImport has no IP families")
		}
		for _, ip := range one.Spec.IPFamilies {
			if counts[discoveryv1.AddressType(ip)] == 0 {
				return violated("no EndpointSlice with the label %s=%s has an endpoint of family %s", mcs.LabelServiceName, helloName, ip)
			}
		}
		return nil
	})
}

// sliceIsRight wants the labels that a slice of an import has.
func sliceIsRight(one *discoveryv1.EndpointSlice) error {
	if one.Labels[mcs.LabelSourceCluster] == "" {
		return violated("EndpointSlice %s has no label %s", one.Name, mcs.LabelSourceCluster)
	}
	switch by := one.Labels[discoveryv1.LabelManagedBy]; by {
	case "", "endpointslice-controller.k8s.io":
		return violated("EndpointSlice %s has the label %s=%q, want one of who made it", one.Name, discoveryv1.LabelManagedBy, by)
	}
	return nil
}

func (s *scene) hasNoSlices(ctx context.Context, m *Member) error {
	all, err := s.slices(ctx, m)
	if err == nil && len(all) > 0 {
		return violated("EndpointSlice %s and %d more are still there", all[0].Name, len(all)-1)
	}
	return err
}

func slicesAnnounced(ctx context.Context, s *scene) error {
	if err := s.exportHello(ctx); err != nil {
		return err
	}
	return s.everywhere(func(m *Member) error {
		return eventually(ctx, slicesBound, func(ctx context.Context) error {
			said := mcs.EndpointSliceObjectsStatus("")
			err := s.importIs(ctx, m, helloName, func(one *mcs.ServiceImport) error {
				said = one.Status.EndpointSliceObjects
				return nil
			})
			switch {
			case err != nil:
				return err
			case said == mcs.EndpointSliceObjectsPresent:
				return s.hasSlices(ctx, m)
			case said == mcs.EndpointSliceObjectsAbsent:
				return s.hasNoSlices(ctx, m)
			}
			return violated("status.endpointSliceObjects is %q, want Present or Absent", said)
		})
	})
}

func importReady(ctx context.Context, s *scene) error {
	if err := s.export(ctx, s.first(), hello()); err != nil {
		return err
	}
	return s.imported(ctx, func(one *mcs.ServiceImport) error {
		ready := meta.FindStatusCondition(one.Status.Conditions, string(mcs.ServiceImportConditionReady))
		if ready == nil {
			return violated("it has no condition %s", mcs.ServiceImportConditionReady)
		}
		if ready.Status != "True" {
			return violated("condition %s is %s (%s)", ready.Type, ready.Status, fmt.Sprint(ready.Reason, ": ", ready.Message))
		}
		if len(one.Status.Clusters) != 1 {
			return violated("status.clusters has %d clusters, want the one that exports", len(one.Status.Clusters))
		}
		return nil
	})
}
