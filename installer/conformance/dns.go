package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// specification is where names are specified.
const specification = "https://github.com/kubernetes/enhancements/blob/master/keps/sig-multicluster/1645-multi-cluster-services-api/specification.md"

// dnsCases are about names, as a pod of each cluster looks them up.
func dnsCases() []Case {
	clusterIP, headless := []string{labelDNS, labelClusterIP}, []string{labelDNS, labelHeadless}
	return []Case{
		{
			Number: 18, Group: Optional, Labels: clusterIP, Reference: specification, asks: true,
			Title: "the name of a Service has the addresses of the ServiceImport, by A and AAAA", run: nameHasAddress,
		},
		{
			Number: 19, Group: Optional, Labels: clusterIP, Reference: specification, asks: true,
			Title: "the name of a Service has one record of type SRV, with its port and itself", run: nameHasPort,
		},
		{
			Number: 20, Group: Optional, Labels: clusterIP, Reference: kep + "#dns", asks: true,
			Title: "the name of an exported Service in cluster.local still has its own address", run: localNameStays,
		},
		{
			Number: 21, Group: Optional, Labels: headless, Reference: specification, asks: true, hello: [2]int32{2},
			Title: "the name of a headless Service has the addresses of its ready pods", run: headlessName,
		},
		{
			Number: 22, Group: Optional, Labels: append(headless, labelEndpointSlice), Reference: specification, asks: true, hello: [2]int32{2}, named: true,
			Title: "the host name of a pod of a headless Service, with its cluster, has the pod's address", run: hostNames,
		},
		{
			Number: 23, Group: Optional, Labels: headless, Reference: specification, asks: true, hello: [2]int32{2},
			Title: "the name of a headless Service has a record of type SRV for each pod, with the port and a name of the pod", run: headlessPorts,
		},
	}
}

// askEverywhere exports hello from the first cluster, waits for the import in each,
// and then looks from each.
func (s *scene) askEverywhere(ctx context.Context, service *corev1.Service, look func(m *Member, one *mcs.ServiceImport) error) error {
	if err := s.export(ctx, s.first(), service); err != nil {
		return err
	}
	wantsAddress := service.Spec.ClusterIP != corev1.ClusterIPNone
	return s.everywhere(func(m *Member) error {
		var found *mcs.ServiceImport
		err := eventually(ctx, soon, func(ctx context.Context) error {
			return s.importIs(ctx, m, helloName, func(one *mcs.ServiceImport) error {
				if found = one; wantsAddress && len(one.Spec.IPs) == 0 {
					return violated("the ServiceImport has no address")
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		return look(m, found)
	})
}

func nameHasAddress(ctx context.Context, s *scene) error {
	return s.askEverywhere(ctx, hello(), func(m *Member, one *mcs.ServiceImport) error {
		return s.resolvesTo(ctx, m, s.domain(), one.Spec.IPs)
	})
}

func nameHasPort(ctx context.Context, s *scene) error {
	return s.askEverywhere(ctx, hello(), func(m *Member, _ *mcs.ServiceImport) error {
		return s.hasServers(ctx, m, func(all []server) error {
			if want := (server{helloPort, s.domain()}); len(all) != 1 || all[0] != want {
				return violated("SRV %s has %v, want only %v", s.domain(), all, want)
			}
			return nil
		})
	})
}

// hasServers waits until the SRV records of hello's name are right.
func (s *scene) hasServers(ctx context.Context, m *Member, check func([]server) error) error {
	return eventually(ctx, soon, func(ctx context.Context) error {
		out, err := s.lookup(ctx, m, "SRV", s.domain())
		if err != nil {
			return err
		}
		if err := check(servers(out)); err != nil {
			return fmt.Errorf("%w (nslookup: %s)", err, oneLine(out))
		}
		return nil
	})
}

// localNameStays asks before and after, so that only the export can have changed it.
func localNameStays(ctx context.Context, s *scene) error {
	service, err := s.serve(ctx, s.first(), hello())
	if err != nil {
		return err
	}
	if err := s.resolvesTo(ctx, s.first(), s.localDomain(), service.Spec.ClusterIPs); err != nil {
		return err
	}
	if err := s.exportOnly(ctx, s.first(), helloName, &mcs.ServiceExport{}); err != nil {
		return err
	}
	if err := s.imported(ctx, nil); err != nil {
		return err
	}
	return s.resolvesTo(ctx, s.first(), s.localDomain(), service.Spec.ClusterIPs)
}

func headlessName(ctx context.Context, s *scene) error {
	pods, err := s.helloPods(ctx, s.first(), 2)
	if err != nil {
		return err
	}
	return s.askEverywhere(ctx, hello(headless), func(m *Member, _ *mcs.ServiceImport) error {
		return s.resolvesTo(ctx, m, s.domain(), addresses(pods))
	})
}

func hostNames(ctx context.Context, s *scene) error {
	pods, err := s.helloPods(ctx, s.first(), 2)
	if err != nil {
		return err
	}
	return s.askEverywhere(ctx, hello(headless), func(m *Member, _ *mcs.ServiceImport) error {
		source, err := s.sourceCluster(ctx, m)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			name := fmt.Sprintf("%s.%s.%s", pod.Name, source, s.domain())
			if err := s.resolvesTo(ctx, m, name, addresses([]corev1.Pod{pod})); err != nil {
				return err
			}
		}
		return nil
	})
}

// sourceCluster is what the slices in a cluster call the exporter.
func (s *scene) sourceCluster(ctx context.Context, m *Member) (string, error) {
	var source string
	err := eventually(ctx, slicesBound, func(ctx context.Context) error {
		all, err := s.slices(ctx, m)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(one discoveryv1.EndpointSlice) bool { return one.Labels[mcs.LabelSourceCluster] != "" })
		if i < 0 {
			return violated("no EndpointSlice has the labels %s=%s and %s", mcs.LabelServiceName, helloName, mcs.LabelSourceCluster)
		}
		source = all[i].Labels[mcs.LabelSourceCluster]
		return nil
	})
	return source, err
}

func headlessPorts(ctx context.Context, s *scene) error {
	pods, err := s.helloPods(ctx, s.first(), 2)
	if err != nil {
		return err
	}
	return s.askEverywhere(ctx, hello(headless), func(m *Member, _ *mcs.ServiceImport) error {
		return s.hasServers(ctx, m, func(all []server) error { return s.onePerPod(all, pods) })
	})
}

// onePerPod wants a record for each pod, by its host name or an address of its with
// dashes, and no others.
func (s *scene) onePerPod(all []server, pods []corev1.Pod) error {
	missing := map[string]bool{}
	owner := map[string]string{}
	for _, pod := range pods {
		missing[pod.Name], owner[pod.Name] = true, pod.Name
		for _, ip := range pod.Status.PodIPs {
			owner[strings.NewReplacer(".", "-", ":", "-").Replace(ip.IP)] = pod.Name
		}
	}
	for i, one := range all {
		host, _, _ := strings.Cut(one.target, ".")
		if owner[host] == "" || one.port != helloPort || !strings.HasSuffix(one.target, "."+s.domain()) {
			return violated("SRV %s has %v, want port %d and a name of a pod, one of %v", s.domain(), one, helloPort, slices.Sorted(maps.Keys(owner)))
		}
		if slices.Contains(all[:i], one) {
			return violated("SRV %s has %v twice", s.domain(), one)
		}
		delete(missing, owner[host])
	}
	if len(missing) > 0 {
		return violated("SRV %s has %v, and none of pods %v", s.domain(), all, slices.Sorted(maps.Keys(missing)))
	}
	return nil
}
