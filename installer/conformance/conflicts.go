package conformance

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// conflictCases are about a name that two clusters export, the first one's export
// being older. Those whose traffic is looked at need StrictPortConflict.
func conflictCases() []Case {
	clusterIP, resolution := []string{labelClusterIP}, kep+"#constraints-and-conflict-resolution"
	return []Case{
		{
			Number: 7, Group: Required, Labels: clusterIP, Reference: kep + "#service-port", two: true,
			Title: "the ServiceImport has the ports of all exporters together, and those that differ are a conflict of both exports",
			run:   unionOfPorts,
		},
		{
			Number: 8, Group: Required, Labels: clusterIP, Reference: kep + "#service-port", two: true,
			Title: "of two ports of one name the older export's is imported, and it is a conflict of both exports",
			run:   olderPortWins,
		},
		{
			Number: 12, Group: Required, Labels: []string{labelClusterIP, labelHeadless}, Reference: kep + "#headlessness", two: true,
			Title: "of a Service that is headless in one cluster only the older export decides the type, and it is a conflict of both exports",
			run:   olderTypeWins,
		},
		{
			Number: 13, Group: Required, Labels: clusterIP, Reference: resolution, two: true,
			Title: "the ServiceImport stays until the last export is withdrawn",
			run:   lastExportDecides,
		},
		{
			Number: 26, Group: Optional, Labels: []string{labelConnectivity, labelPortConflict}, Reference: kep + "#service-port", two: true,
			Title: "a port whose number differs leads only to the cluster whose port was imported",
			hello: [2]int32{1, 1}, asks: true,
			run: portsLeadTo(portTo{helloPort, 0}, port("tcp", corev1.ProtocolTCP, otherPort)),
		},
		{
			Number: 27, Group: Optional, Labels: []string{labelConnectivity, labelPortConflict}, Reference: kep + "#service-port", two: true,
			Title: "ports of different names lead each to the cluster that has it",
			hello: [2]int32{1, 1}, asks: true,
			run: portsLeadTo(portTo{helloPort, 0}, port("other", corev1.ProtocolTCP, otherPort), portTo{otherPort, 1}),
		},
	}
}

func unionOfPorts(ctx context.Context, s *scene) error {
	younger := hello()
	younger.Spec.Ports = append(younger.Spec.Ports, port("stcp", corev1.ProtocolSCTP, 142))
	if err := s.exportBoth(ctx, hello(), younger, &mcs.ServiceExport{}, &mcs.ServiceExport{}); err != nil {
		return err
	}
	err := s.imported(ctx, func(one *mcs.ServiceImport) error {
		return portsAre(&one.Spec, importPort("tcp", corev1.ProtocolTCP, helloPort), importPort("udp", corev1.ProtocolUDP, helloPort),
			importPort("stcp", corev1.ProtocolSCTP, 142))
	})
	if err != nil {
		return err
	}
	return s.conflicts(ctx)
}

func olderPortWins(ctx context.Context, s *scene) error {
	younger := hello(ports(port("tcp", corev1.ProtocolTCP, helloPort+1), port("udp", corev1.ProtocolUDP, helloPort)))
	if err := s.exportBoth(ctx, hello(), younger, &mcs.ServiceExport{}, &mcs.ServiceExport{}); err != nil {
		return err
	}
	if err := s.conflicts(ctx); err != nil {
		return err
	}
	return s.imported(ctx, func(one *mcs.ServiceImport) error {
		return portsAre(&one.Spec, importPort("tcp", corev1.ProtocolTCP, helloPort), importPort("udp", corev1.ProtocolUDP, helloPort))
	})
}

func olderTypeWins(ctx context.Context, s *scene) error {
	if err := s.exportBoth(ctx, hello(), hello(headless), &mcs.ServiceExport{}, &mcs.ServiceExport{}); err != nil {
		return err
	}
	if err := s.conflicts(ctx); err != nil {
		return err
	}
	return s.imported(ctx, func(one *mcs.ServiceImport) error { return equal("type", &one.Spec.Type, mcs.ClusterSetIP) })
}

func lastExportDecides(ctx context.Context, s *scene) error {
	if err := s.exportBoth(ctx, hello(), hello(), &mcs.ServiceExport{}, &mcs.ServiceExport{}); err != nil {
		return err
	}
	if err := s.condition(ctx, s.second(), mcs.ServiceExportConditionValid, "True"); err != nil {
		return err
	}
	if err := s.unexport(ctx, s.first()); err != nil {
		return err
	}
	err := s.everywhere(func(m *Member) error {
		return stays(ctx, func(ctx context.Context) error { return s.importIs(ctx, m, helloName, nil) })
	})
	if err != nil {
		return err
	}
	if err := s.unexport(ctx, s.second()); err != nil {
		return err
	}
	return s.gone(ctx)
}

// portTo is a port and the cluster that has to answer it, counted from 0.
type portTo struct{ port, cluster int }

// callsInRow are as many as show that no other pod answers.
const callsInRow = 10

// portsLeadTo exports tcp/42 from the first cluster and another port from the second.
func portsLeadTo(first portTo, younger corev1.ServicePort, more ...portTo) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		pods, err := s.bothHello(ctx)
		if err != nil {
			return err
		}
		older := port("tcp", corev1.ProtocolTCP, helloPort)
		err = s.exportBoth(ctx, hello(spread, ports(older)), hello(spread, ports(younger)), &mcs.ServiceExport{}, &mcs.ServiceExport{})
		if err != nil {
			return err
		}
		if err := s.conflicts(ctx); err != nil {
			return err
		}
		return s.everywhere(func(m *Member) error {
			for _, one := range append([]portTo{first}, more...) {
				if err := s.calledByEachFamily(ctx, m, one.port, callsInRow, pods[one.cluster]); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
