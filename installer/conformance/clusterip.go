package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// clusterIPCases are about Services with an address, and about those that cannot be
// exported or are not.
func clusterIPCases() []Case {
	clusterIP := []string{labelClusterIP}
	return []Case{
		{
			Number: 1, Group: Required, Labels: clusterIP, Reference: kep + "#exporting-services",
			Title: "exporting a Service makes a ServiceImport of type ClusterSetIP in every cluster, and withdrawing it takes them away",
			run:   importedAs(mcs.ClusterSetIP),
		},
		{
			Number: 2, Group: Required, Labels: clusterIP, Reference: kep + "#session-affinity",
			Title: "the ServiceImport has the session affinity of the Service",
			run:   importsField(nil, affinity),
		},
		{
			Number: 3, Group: Required, Labels: clusterIP, Reference: kep + "#importing-services",
			Title: "the ServiceImport has the internal traffic policy of the Service",
			run: importsField(func(service *corev1.Service) {
				policy := corev1.ServiceInternalTrafficPolicyCluster
				service.Spec.InternalTrafficPolicy = &policy
			}, func(spec *mcs.ServiceImportSpec) error {
				return equal("internalTrafficPolicy", spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
			}),
		},
		{
			Number: 4, Group: Required, Labels: clusterIP, Reference: kep + "#importing-services",
			Title: "the ServiceImport has the traffic distribution of the Service",
			run: importsField(func(service *corev1.Service) {
				close := corev1.ServiceTrafficDistributionPreferClose
				service.Spec.TrafficDistribution = &close
			}, func(spec *mcs.ServiceImportSpec) error {
				return equal("trafficDistribution", spec.TrafficDistribution, corev1.ServiceTrafficDistributionPreferClose)
			}),
		},
		{
			Number: 5, Group: Required, Labels: clusterIP, Reference: kep + "#clustersetip",
			Title: "the ServiceImport has an address for each of its IP families, in their order",
			run:   importsField(nil, families),
		},
		{
			Number: 6, Group: Required, Labels: clusterIP, Reference: kep + "#service-port",
			Title: "the ServiceImport has the ports of the Service",
			run: importsField(nil, func(spec *mcs.ServiceImportSpec) error {
				return portsAre(spec, importPort("tcp", corev1.ProtocolTCP, helloPort), importPort("udp", corev1.ProtocolUDP, helloPort))
			}),
		},
		{
			Number: 11, Group: Required, Labels: []string{labelExternalName}, Reference: kep + "#service-types",
			Title: "a Service of type ExternalName is no valid export and is not imported",
			run:   externalName,
		},
		{
			Number: 14, Group: Required, Labels: clusterIP, Reference: kep + "#exporting-services",
			Title: "a Service that is not exported cannot be called by its name in the set",
			hello: [2]int32{1}, asks: true, run: notExported,
		},
	}
}

// importedAs is the life of an import.
func importedAs(kind mcs.ServiceImportType) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		service := hello()
		if kind == mcs.Headless {
			service = hello(headless)
		}
		if err := s.export(ctx, s.first(), service); err != nil {
			return err
		}
		if err := s.condition(ctx, s.first(), mcs.ServiceExportConditionValid, metav1.ConditionTrue); err != nil {
			return err
		}
		err := s.imported(ctx, func(one *mcs.ServiceImport) error { return equal("type", &one.Spec.Type, kind) })
		if err != nil {
			return err
		}
		if err := s.unexport(ctx, s.first()); err != nil {
			return err
		}
		return s.gone(ctx)
	}
}

// importsField exports a Service and looks at what is imported.
func importsField(different change, check func(*mcs.ServiceImportSpec) error) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		service := hello()
		if different != nil {
			different(service)
		}
		if err := s.export(ctx, s.first(), service); err != nil {
			return err
		}
		return s.imported(ctx, func(one *mcs.ServiceImport) error { return check(&one.Spec) })
	}
}

func affinity(spec *mcs.ServiceImportSpec) error {
	if err := equal("sessionAffinity", &spec.SessionAffinity, corev1.ServiceAffinityClientIP); err != nil {
		return err
	}
	config := spec.SessionAffinityConfig
	if config == nil || config.ClientIP == nil {
		return violated("sessionAffinityConfig has no timeout, want %d s", affinitySeconds)
	}
	return equal("sessionAffinityConfig.clientIP.timeoutSeconds", config.ClientIP.TimeoutSeconds, affinitySeconds)
}

// families wants an address for each family.
func families(spec *mcs.ServiceImportSpec) error {
	if len(spec.IPs) == 0 || len(spec.IPs) != len(spec.IPFamilies) {
		return violated("the addresses are %v and the families %v, want one address for each", spec.IPs, spec.IPFamilies)
	}
	for i, text := range spec.IPs {
		if _, err := netip.ParseAddr(text); err != nil || family(text) != spec.IPFamilies[i] {
			return violated("address %d is %q, want one of family %s", i+1, text, spec.IPFamilies[i])
		}
	}
	return nil
}

func importPort(name string, protocol corev1.Protocol, number int32) mcs.ServicePort {
	return mcs.ServicePort{Name: name, Protocol: protocol, Port: number}
}

// portsAre wants these ports, in any order. An application protocol that nobody named
// stays unnamed.
func portsAre(spec *mcs.ServiceImportSpec, want ...mcs.ServicePort) error {
	byName := func(a, b mcs.ServicePort) int { return strings.Compare(a.Name, b.Name) }
	have := slices.SortedFunc(slices.Values(spec.Ports), byName)
	slices.SortFunc(want, byName)
	if !reflect.DeepEqual(have, want) {
		return violated("the ports are %s, want %s", portsText(have), portsText(want))
	}
	return nil
}

func externalName(ctx context.Context, s *scene) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: helloName},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.com"},
	}
	if err := s.export(ctx, s.first(), service); err != nil {
		return err
	}
	if err := s.condition(ctx, s.first(), mcs.ServiceExportConditionValid, metav1.ConditionFalse); err != nil {
		return err
	}
	return s.everywhere(func(m *Member) error {
		return stays(ctx, func(ctx context.Context) error { return s.notImported(ctx, m) })
	})
}

// unexportedCalls is how often a Service that is not exported is called.
const unexportedCalls = 20

// notExported calls from every cluster. First its own cluster calls it by its local
// name: a call that cannot work anyway proves nothing.
func notExported(ctx context.Context, s *scene) error {
	service, err := s.serve(ctx, s.first(), hello())
	if err != nil {
		return err
	}
	if _, err := s.helloPods(ctx, s.first(), 1); err != nil {
		return err
	}
	ip := family(service.Spec.ClusterIP)
	if err := s.callable(ctx, s.first(), ip); err != nil {
		return err
	}
	return s.everywhere(func(m *Member) error {
		calls, err := s.call(ctx, m, s.domain(), helloPort, unexportedCalls, ip)
		if err != nil {
			return err
		}
		for i, out := range calls {
			if by := answerer(out); by != nil {
				return violated("call %d of %s is answered by %v", i+1, s.domain(), by)
			}
		}
		return nil
	})
}

// callable waits until a Service answers by its name in its own cluster, whatever the
// multi-cluster Services API does.
func (s *scene) callable(ctx context.Context, m *Member, ip corev1.IPFamily) error {
	return eventually(ctx, slicesBound, func(ctx context.Context) error {
		calls, err := s.call(ctx, m, s.localDomain(), helloPort, 1, ip)
		if err == nil && answerer(calls[0]) == nil {
			err = fmt.Errorf("%s does not answer in its own cluster: %s", s.localDomain(), oneLine(calls[0]))
		}
		return err
	})
}
