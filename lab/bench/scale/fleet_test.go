//go:build bench

package scale

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/lab/internal/replay"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// Where everything is.
const (
	namespace        = "bench"
	gatewayNamespace = "istio-system"
	// each is how many endpoints a service usually has in one cluster, all in one slice.
	each = 100
	port = 8080
	// near is the network of the own cluster and of all members but the first, which is
	// on one of its own: that has the agent serve a way out through gateways, too.
	near, far = "near", "far"
	// networkLabel says of a member's istio-system, and of its gateway, which one that is.
	networkLabel = "topology.istio.io/network"
)

// fleet is the member clusters: the same services in all of them.
type fleet struct {
	members []*replay.Server
	// services are in each cluster, with so many endpoints each.
	services, each int
	// pods is true where endpoints are pods', as kubelets make them; else they are
	// addresses alone, which is less work for istiod.
	pods bool
}

// newFleet makes clusters with so many services of so many endpoints.
func newFleet(b *testing.B, clusters, services, each int, pods bool) *fleet {
	b.Helper()
	f := &fleet{services: services, each: each, pods: pods}
	for i := range clusters {
		member := replay.Start(b, fmt.Sprintf("m%d", i))
		f.members = append(f.members, member)
		for _, name := range []string{namespace, gatewayNamespace} {
			member.Load(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "namespace", Labels: map[string]string{
				corev1.LabelMetadataName: name, networkLabel: networkOf(i),
			}}})
		}
		for n := range nodes {
			member.Load(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(n), UID: "node", Labels: map[string]string{
				corev1.LabelTopologyRegion: "region", corev1.LabelTopologyZone: zoneOf(n),
			}}})
		}
		var services, slices, all []replay.Object
		for n := range f.services {
			services = append(services, f.service(n))
			slices = append(slices, f.slice(i, n, 0))
			if pods {
				all = append(all, f.podsOf(i, n)...)
			}
		}
		member.Load(append(services, f.gateway(i))...)
		member.Load(slices...)
		member.Load(all...)
	}
	return f
}

// nodes are so many in a member, in three zones.
const nodes = 20

func nodeName(n int) string { return fmt.Sprintf("node-%d", n%nodes) }
func zoneOf(n int) string   { return fmt.Sprintf("zone-%d", n%nodes%3) }

func serviceName(n int) string { return fmt.Sprintf("service-%d", n) }

func (f *fleet) service(n int) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceName(n), UID: "service"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: fmt.Sprintf("10.96.%d.%d", n/250, n%250+1), ClusterIPs: []string{fmt.Sprintf("10.96.%d.%d", n/250, n%250+1)},
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
		},
	}
}

// gateway is a member's, which both servers know by its Service.
func (f *fleet) gateway(member int) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: gatewayNamespace, Name: "gateway", UID: "gateway", Labels: map[string]string{networkLabel: networkOf(member)},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.96.255.1", ClusterIPs: []string{"10.96.255.1"}, IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol},
			Ports: []corev1.ServicePort{{Name: "tls", Port: 15443, Protocol: corev1.ProtocolTCP}},
		},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: gatewayAddress(member)}}}},
	}
}

func networkOf(member int) string {
	if member == 0 {
		return far
	}
	return near
}

func gatewayAddress(member int) string { return fmt.Sprintf("172.16.%d.1", member) }

// address is that of an endpoint. The last one of a slice has another with every
// edition but the first, which tells which one that is.
func (f *fleet) address(member, service, endpoint, edition int) string {
	if endpoint == f.each-1 && edition > 0 {
		return movedTo(member, edition)
	}
	number := service*f.each + endpoint
	return fmt.Sprintf("10.%d.%d.%d", 100+member, number/256, number%256)
}

// movedTo is where the last endpoint of a slice is in an edition.
func movedTo(member, edition int) string {
	return fmt.Sprintf("11.%d.%d.%d", member+edition>>16<<6, edition>>8&255, edition&255)
}

// slice is that of a service in a member.
func (f *fleet) slice(member, service, edition int) *discoveryv1.EndpointSlice {
	name, number, protocol, ready := "http", int32(port), corev1.ProtocolTCP, true
	one := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: serviceName(service) + "-abcde", UID: "slice", Labels: map[string]string{
				discoveryv1.LabelServiceName: serviceName(service), discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io",
			},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &number, Protocol: &protocol}},
	}
	for n := range f.each {
		node, zone := nodeName(n), zoneOf(n)
		endpoint := discoveryv1.Endpoint{
			Addresses:  []string{f.address(member, service, n, edition)},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &ready}, NodeName: &node, Zone: &zone,
		}
		if f.pods {
			endpoint.TargetRef = &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: podName(service, n), UID: "pod"}
		}
		one.Endpoints = append(one.Endpoints, endpoint)
	}
	return one
}

func podName(service, n int) string { return fmt.Sprintf("%s-7d9c4b5f6-%05d", serviceName(service), n) }

// podsOf are the pods of a service, as large as those of everyday life with one
// container: their metadata is most of it.
func (f *fleet) podsOf(member, service int) []replay.Object {
	var all []replay.Object
	for n := range f.each {
		all = append(all, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: podName(service, n), UID: "pod",
				Labels: map[string]string{"app": serviceName(service), "pod-template-hash": "7d9c4b5f6", sides.Sidecar: "istio"},
			},
			Spec: corev1.PodSpec{
				NodeName: nodeName(n), ServiceAccountName: serviceName(service),
				Containers: []corev1.Container{{Name: "app", Image: "example/app:1", Ports: []corev1.ContainerPort{{ContainerPort: port}}}},
			},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, PodIP: f.address(member, service, n, 0), PodIPs: []corev1.PodIP{{IP: f.address(member, service, n, 0)}},
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			},
		})
	}
	return all
}

// want is what a proxy of the own cluster must have been told of a service. members are
// the editions of its slice.
func (f *fleet) want(service int, edition func(member int) int) sides.Answer {
	answer := sides.Answer{}
	for member := range f.members {
		if networkOf(member) == far {
			continue // one address for all, whose weight is compared by itself
		}
		for n := range f.each {
			answer[fmt.Sprintf("%s:%d", f.address(member, service, n, edition(member)), port)] = sides.Share{}
		}
	}
	return answer
}
