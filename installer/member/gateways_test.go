package member

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// gatewayService is an east-west gateway's Service as istioctl makes it.
func gatewayService(change func(*corev1.Service)) corev1.Service {
	service := corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "istio-system", Name: "istio-eastwestgateway",
			Labels:        map[string]string{NetworkLabel: "net-east"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "istioctl"}, {Manager: "kubectl"}},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"istio": "eastwestgateway"},
			Ports: []corev1.ServicePort{{Port: 15021}, {Port: 15443, NodePort: 31443}},
		},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "203.0.113.7"}}}},
	}
	if change != nil {
		change(&service)
	}
	return service
}

func TestGatewayOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*corev1.Service)
		want   Gateway // zero: it is none
	}{
		"as istioctl makes it": {nil, Gateway{HealthPort: 15021, Network: "net-east", Port: 15443, NodePort: 31443, Addresses: []string{"203.0.113.7"}}},
		"all addresses, names too": {
			func(s *corev1.Service) {
				s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{Hostname: "lb.example"})
				s.Spec.ExternalIPs = []string{"198.51.100.1"}
			},
			Gateway{HealthPort: 15021, Network: "net-east", Port: 15443, NodePort: 31443, Addresses: []string{"203.0.113.7", "lb.example", "198.51.100.1"}},
		},
		"no address yet": {
			func(s *corev1.Service) { s.Status = corev1.ServiceStatus{} },
			Gateway{HealthPort: 15021, Network: "net-east", Port: 15443, NodePort: 31443},
		},
		"another port by label": {
			func(s *corev1.Service) { s.Labels[gatewayPortLabel] = "15021" },
			Gateway{HealthPort: 15021, Network: "net-east", Port: 15021, Addresses: []string{"203.0.113.7"}},
		},
		"a label that is no port": {
			func(s *corev1.Service) { s.Labels[gatewayPortLabel] = "tls" },
			Gateway{HealthPort: 15021, Network: "net-east", Port: 15443, NodePort: 31443, Addresses: []string{"203.0.113.7"}},
		},
		"a network, but not the port": {
			func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[:1] },
			Gateway{HealthPort: 15021, Network: "net-east", Addresses: []string{"203.0.113.7"}},
		},
		"the port, but no network": {
			func(s *corev1.Service) { s.Labels = nil },
			Gateway{HealthPort: 15021, Port: 15443, NodePort: 31443, Addresses: []string{"203.0.113.7"}},
		},
		"neither":                        {func(s *corev1.Service) { s.Labels, s.Spec.Ports = nil, nil }, Gateway{}},
		"the port of no pods of its own": {func(s *corev1.Service) { s.Labels, s.Spec.Selector = nil, nil }, Gateway{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := gatewayService(tc.change)
			got, ok := gatewayOf(service)
			if isNone := tc.want.Network == "" && tc.want.Port == 0; ok == isNone {
				t.Fatalf("got %v, %+v", ok, got)
			} else if isNone {
				return
			}
			want := tc.want
			want.Namespace, want.Name, want.Type = "istio-system", "istio-eastwestgateway", "LoadBalancer"
			want.Selector, want.Labels, want.Managers = service.Spec.Selector, service.Labels, []string{"istioctl", "kubectl"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func istioGateway(servers ...any) unstructured.Unstructured {
	return unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
		"metadata": map[string]any{"namespace": "istio-system", "name": "cross-network-gateway"},
		"spec":     map[string]any{"selector": map[string]any{"istio": "eastwestgateway"}, "servers": servers},
	}}
}

func istioServer(mode string, port int64, hosts ...any) map[string]any {
	return map[string]any{"port": map[string]any{"number": port}, "tls": map[string]any{"mode": mode}, "hosts": hosts}
}

func TestExposureOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		gateway unstructured.Unstructured
		port    int64 // 0: it exposes nothing
		hosts   []string
	}{
		"the guide's":               {istioGateway(istioServer("AUTO_PASSTHROUGH", 15443, "*.local")), 15443, []string{"*.local"}},
		"beside other servers":      {istioGateway(istioServer("SIMPLE", 443, "shop"), istioServer("AUTO_PASSTHROUGH", 15443, "a", "b")), 15443, []string{"a", "b"}},
		"in several servers":        {istioGateway(istioServer("AUTO_PASSTHROUGH", 15443, "a"), istioServer("AUTO_PASSTHROUGH", 15443, "b")), 15443, []string{"a", "b"}},
		"an ordinary gateway":       {istioGateway(istioServer("SIMPLE", 443, "shop")), 0, nil},
		"without TLS":               {istioGateway(map[string]any{"port": map[string]any{"number": int64(80)}}), 0, nil},
		"without servers":           {istioGateway(), 0, nil},
		"a server that is none":     {istioGateway("x"), 0, nil},
		"passthrough is not enough": {istioGateway(istioServer("PASSTHROUGH", 15443, "*.local")), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := exposureOf(tc.gateway)
			if ok != (tc.port != 0) {
				t.Fatalf("got %v, %+v", ok, got)
			}
			if !ok {
				return
			}
			want := Exposure{
				Namespace: "istio-system", Name: "cross-network-gateway", Selector: map[string]string{"istio": "eastwestgateway"},
				Port: tc.port, Hosts: tc.hosts,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// remoteGateway is a Gateway of the Gateway API that declares addresses.
func remoteGateway(class string, port int64, hosts ...any) unstructured.Unstructured {
	var addresses []any
	for _, host := range hosts {
		addresses = append(addresses, map[string]any{"type": "IPAddress", "value": host})
	}
	return unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
		"metadata": map[string]any{"namespace": "istio-system", "name": "g", "labels": map[string]any{NetworkLabel: "net-west"}},
		"spec": map[string]any{
			"gatewayClassName": class, "addresses": addresses, "listeners": []any{map[string]any{"name": "l", "port": port}},
		},
	}}
}

func TestDeclaredOf(t *testing.T) {
	t.Parallel()
	broken := remoteGateway("istio-remote", 15443, "203.0.113.9")
	broken.Object["spec"].(map[string]any)["addresses"] = []any{"203.0.113.9"}
	for name, tc := range map[string]struct {
		gateway unstructured.Unstructured
		want    []Declared
	}{
		"one address": {remoteGateway("istio-remote", 15443, "203.0.113.9"), []Declared{{Network: "net-west", Address: "203.0.113.9", Port: 15443}}},
		"two of them": {
			remoteGateway("istio-remote", 443, "203.0.113.9", "gw.example"),
			[]Declared{{Network: "net-west", Address: "203.0.113.9", Port: 443}, {Network: "net-west", Address: "gw.example", Port: 443}},
		},
		"a class that deploys":  {remoteGateway("istio-east-west", 15008, "203.0.113.9"), nil},
		"no address":            {remoteGateway("istio-remote", 15443), nil},
		"an address of no form": {broken, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, declaredOf(tc.gateway)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
