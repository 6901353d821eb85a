package facts

import (
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// What istiod looks at; see pilot/pkg/serviceregistry/kube/controller/network.go.
const (
	NetworkLabel     = "topology.istio.io/network"
	gatewayPortLabel = "networking.istio.io/gatewayPort"
	// nodesAnnotation makes the nodes the addresses of a NodePort Service.
	nodesAnnotation = "traffic.istio.io/nodeSelector"
	// EastWestLabel marks the pods of the guide's gateway.
	EastWestLabel = "istio"
	EastWestValue = "eastwestgateway"
	// TLSPort is the port of an east-west gateway unless a label says otherwise.
	TLSPort = 15443
)

// gatewaysOf reduces Services to gateways: those that istiod takes for one by
// their label, and the guide's, which should carry it. An ingress gateway has
// port 15443 too in some profiles and is none.
func gatewaysOf(services []corev1.Service, pods map[string][]corev1.Pod) []Gateway {
	var all []Gateway
	for _, s := range services {
		g := Gateway{
			Object:  Object{s.Namespace, s.Name},
			Network: s.Labels[NetworkLabel], Selector: s.Spec.Selector,
		}
		if g.Network == "" && s.Labels[EastWestLabel] != EastWestValue && s.Spec.Selector[EastWestLabel] != EastWestValue {
			continue
		}
		g.readPort(s)
		for _, ingress := range s.Status.LoadBalancer.Ingress {
			for _, address := range []string{ingress.IP, ingress.Hostname} {
				if address != "" {
					g.Addresses = append(g.Addresses, address)
				}
			}
		}
		g.Addresses = append(g.Addresses, s.Spec.ExternalIPs...)
		for _, p := range pods[g.String()] {
			g.Pods = append(g.Pods, GatewayPod{
				Name: p.Name, IP: p.Status.PodIP, Labels: p.Labels,
				Ready: podReady(p),
			})
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Gateway) int { return compare(a.Object, b.Object) })
	return all
}

// readPort finds the gateway port and where its Envoy listens for it. A named
// target port cannot be resolved here and is taken as the same number.
func (g *Gateway) readPort(s corev1.Service) {
	want := TLSPort
	if n, err := strconv.Atoi(s.Labels[gatewayPortLabel]); err == nil {
		want = n
	}
	for _, p := range s.Spec.Ports {
		if int(p.Port) != want {
			continue
		}
		g.Port, g.TargetPort = want, want
		if n := p.TargetPort.IntValue(); n != 0 {
			g.TargetPort = n
		}
		if _, ok := s.Annotations[nodesAnnotation]; ok && s.Spec.Type == corev1.ServiceTypeNodePort {
			g.NodePort = int(p.NodePort)
		}
	}
}

func podReady(p corev1.Pod) bool {
	if p.DeletionTimestamp != nil {
		return false
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func compare(a, b Object) int {
	switch x, y := a.String(), b.String(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// Selected says whether pods with these labels are meant by a selector. A
// Gateway object without a selector means every gateway.
func Selected(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// PodLabels is what is known of the labels behind a gateway: those of a pod,
// else its own selector, which the pods would carry.
func (g Gateway) PodLabels() map[string]string {
	if len(g.Pods) > 0 {
		return g.Pods[0].Labels
	}
	return maps.Clone(g.Selector)
}
