package conformance

import (
	"context"

	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// headlessCases are about Services without an address.
func headlessCases() []Case {
	labels := []string{labelHeadless}
	return []Case{
		{
			Number: 9, Group: Required, Labels: labels, Reference: kep + "#headlessness",
			Title: "exporting a headless Service makes a ServiceImport of type Headless in every cluster, and withdrawing it takes them away",
			run:   importedAs(mcs.Headless),
		},
		{
			Number: 10, Group: Required, Labels: labels, Reference: kep + "#headlessness",
			Title: "the ServiceImport of a headless Service has no address",
			run:   headlessWithoutAddress,
		},
	}
}

func headlessWithoutAddress(ctx context.Context, s *scene) error {
	if err := s.export(ctx, s.first(), hello(headless)); err != nil {
		return err
	}
	if err := s.imported(ctx, nil); err != nil {
		return err
	}
	return s.everywhere(func(m *Member) error {
		return stays(ctx, func(ctx context.Context) error {
			return s.importIs(ctx, m, helloName, func(one *mcs.ServiceImport) error {
				if len(one.Spec.IPs) > 0 {
					return violated("the addresses are %v, want none", one.Spec.IPs)
				}
				return nil
			})
		})
	})
}
