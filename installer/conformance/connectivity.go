package conformance

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// connectivityCases are about calls by the name of the set.
func connectivityCases() []Case {
	labels := []string{labelConnectivity, labelClusterIP}
	return []Case{
		{
			Number: 24, Group: Optional, Labels: labels, Reference: kep + "#clustersetip", asks: true, hello: [2]int32{1},
			Title: "pods of every cluster can call an exported Service", run: calledEverywhere,
		},
		{
			Number: 25, Group: Optional, Labels: labels, Reference: kep + "#exporting-services", asks: true, hello: [2]int32{1, 1}, two: true,
			Title: "of a Service that two clusters have only the pods of the one that exports it are called", run: onlyExporterCalled,
		},
	}
}

func calledEverywhere(ctx context.Context, s *scene) error {
	pods, err := s.helloPods(ctx, s.first(), 1)
	if err != nil {
		return err
	}
	return s.askEverywhere(ctx, hello(), func(m *Member, _ *mcs.ServiceImport) error {
		return s.calledByEachFamily(ctx, m, helloPort, 1, addresses(pods))
	})
}

func onlyExporterCalled(ctx context.Context, s *scene) error {
	pods, err := s.bothHello(ctx)
	if err != nil {
		return err
	}
	local, err := s.serve(ctx, s.second(), hello(spread))
	if err != nil {
		return err
	}
	// That the second cluster's pods could answer is what makes it prove something.
	if err := s.callable(ctx, s.second(), family(local.Spec.ClusterIP)); err != nil {
		return err
	}
	return s.askEverywhere(ctx, hello(spread), func(m *Member, _ *mcs.ServiceImport) error {
		return s.calledByEachFamily(ctx, m, helloPort, callsInRow, pods[0])
	})
}

// bothHello waits for the pods of the first two clusters and returns their addresses.
func (s *scene) bothHello(ctx context.Context) ([2][]string, error) {
	var out [2][]string
	for i := range out {
		pods, err := s.helloPods(ctx, s.members[i], 1)
		if err != nil {
			return out, err
		}
		out[i] = addresses(pods)
	}
	return out, nil
}

// calledByEachFamily calls by every family that the import has an address of.
func (s *scene) calledByEachFamily(ctx context.Context, m *Member, port, times int, pods []string) error {
	one, err := s.readImport(ctx, m, helloName)
	if err != nil {
		return err
	}
	if one == nil || len(one.Spec.IPs) == 0 {
		return violated("the ServiceImport has no address")
	}
	called := map[corev1.IPFamily]bool{}
	for _, address := range one.Spec.IPs {
		if ip := family(address); !called[ip] {
			called[ip] = true
			if err := s.calledAll(ctx, m, port, times, ip, pods); err != nil {
				return err
			}
		}
	}
	return nil
}
