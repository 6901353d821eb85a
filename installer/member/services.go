package member

import (
	"context"
	"fmt"
	"sort"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Service is what matters of a Service when members are joined.
type Service struct {
	Namespace, Name, Type string
	Headless              bool
	// Ports as "NUMBER/PROTOCOL name", sorted.
	Ports []string
	// Ready counts its ready endpoints.
	Ready int
}

// Services lists every Service of the cluster with its ready endpoints.
func (m *Member) Services(ctx context.Context) ([]Service, error) {
	list, err := m.Kube.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	slices, err := m.Kube.DiscoveryV1().EndpointSlices(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list endpoint slices: %w", err)
	}
	ready := map[string]int{}
	for _, slice := range slices.Items {
		ready[slice.Namespace+"/"+slice.Labels[discoveryv1.LabelServiceName]] += readyIn(slice)
	}
	services := make([]Service, 0, len(list.Items))
	for _, item := range list.Items {
		service := Service{
			Namespace: item.Namespace, Name: item.Name, Type: string(item.Spec.Type),
			Headless: item.Spec.ClusterIP == corev1.ClusterIPNone,
			Ready:    ready[item.Namespace+"/"+item.Name],
		}
		for _, port := range item.Spec.Ports {
			service.Ports = append(service.Ports, fmt.Sprintf("%d/%s %s", port.Port, port.Protocol, port.Name))
		}
		sort.Strings(service.Ports)
		services = append(services, service)
	}
	return services, nil
}

func readyIn(slice discoveryv1.EndpointSlice) int {
	ready := 0
	for _, endpoint := range slice.Endpoints {
		if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
			ready++
		}
	}
	return ready
}
