package derived

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applydiscoveryv1 "k8s.io/client-go/applyconfigurations/discovery/v1"
	api "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// sliceSize is how many endpoints one slice holds: what Kubernetes' own
// controller puts into one.
const sliceSize = 100

var protocols = map[model.Protocol]corev1.Protocol{
	model.TCP: corev1.ProtocolTCP, model.UDP: corev1.ProtocolUDP, model.SCTP: corev1.ProtocolSCTP,
}

// throughAnnotation says, on a derived Service, what its ports lead to.
const throughAnnotation = "eastwest.dev/through"

// exportToAnnotation is Istio's; with nobody in it no sidecar is told of a Service.
// Sidecars reach what is behind its addresses by the name in clusterset.local, which
// istiod makes of the import and which has the same addresses.
const (
	exportToAnnotation = "networking.istio.io/exportTo"
	toNobody           = "~"
)

func (s *service) through() string {
	if s.gateway {
		return "gateway"
	}
	return "pods"
}

// serviceObject is the derived Service. It has no selector, so that its slices
// are ours alone.
func (s *service) serviceObject() *applycorev1.ServiceApplyConfiguration {
	spec := applycorev1.ServiceSpec().WithType(corev1.ServiceTypeClusterIP)
	for _, port := range s.ports {
		// Where pods are behind it the target is in the slices, and this one is nobody's to set.
		target := cmp.Or(port.target, port.Number)
		one := applycorev1.ServicePort().WithPort(int32(port.Number)).WithProtocol(protocols[port.Protocol]).
			WithTargetPort(intstr.FromInt32(int32(target)))
		if port.Name != "" {
			one = one.WithName(port.Name)
		}
		if port.AppProtocol != "" {
			one = one.WithAppProtocol(port.AppProtocol)
		}
		spec = spec.WithPorts(one)
	}
	spec = s.affinity(spec)
	for _, family := range s.families {
		spec = spec.WithIPFamilies(corev1.IPFamily(family))
	}
	if len(s.families) > 1 {
		spec = spec.WithIPFamilyPolicy(corev1.IPFamilyPolicyPreferDualStack)
	}
	object := applycorev1.Service(Name(s.key), s.key.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelDerived: "true"}).
		WithAnnotations(map[string]string{v1alpha1.AnnotationService: s.key.Name, throughAnnotation: s.through()}).
		WithSpec(spec)
	if s.hidden {
		object.WithAnnotations(map[string]string{exportToAnnotation: toNobody})
	}
	return object
}

// affinity is the exporters'. Through gateways kube-proxy leads a client to one of them,
// and that one to one endpoint.
func (s *service) affinity(spec *applycorev1.ServiceSpecApplyConfiguration) *applycorev1.ServiceSpecApplyConfiguration {
	if !s.clientIP {
		return spec.WithSessionAffinity(corev1.ServiceAffinityNone)
	}
	return spec.WithSessionAffinity(corev1.ServiceAffinityClientIP).WithSessionAffinityConfig(
		applycorev1.SessionAffinityConfig().WithClientIP(applycorev1.ClientIPConfig().WithTimeoutSeconds(s.affinitySeconds)))
}

// sliceObjects are the slices behind it. gateways are the addresses of the local
// gateway's pods.
func (s *service) sliceObjects(gateways []netip.Addr) []*applydiscoveryv1.EndpointSliceApplyConfiguration {
	type place struct {
		source model.MemberName
		kind   model.Family
	}
	numbers := map[place]int{}
	var out []*applydiscoveryv1.EndpointSliceApplyConfiguration
	for _, one := range s.behind(gateways) {
		for _, kind := range []model.Family{model.IPv4, model.IPv6} {
			at := place{one.source, kind}
			left := slices.DeleteFunc(slices.Clone(one.endpoints), func(e endpoint) bool { return model.FamilyOf(e.Addr) != kind })
			for part := range slices.Chunk(left, sliceSize) {
				out = append(out, s.sliceObject(kind, numbers[at], backend{one.source, one.ports, part}))
				numbers[at]++
			}
		}
	}
	return out
}

// behind is what the slices hold: pods, or the gateway's pods with its ports.
func (s *service) behind(gateways []netip.Addr) []backend {
	if !s.gateway {
		return s.backends
	}
	if len(s.ports) == 0 || len(gateways) == 0 {
		return nil
	}
	var one backend
	for _, port := range s.ports {
		leading := port.Port
		leading.Number = port.target
		one.ports = append(one.ports, leading)
	}
	for _, addr := range gateways {
		one.endpoints = append(one.endpoints, endpoint{Endpoint: model.Endpoint{Addr: addr, Zone: model.NoZone}})
	}
	return []backend{one}
}

func (s *service) sliceObject(kind model.Family, number int, of backend) *applydiscoveryv1.EndpointSliceApplyConfiguration {
	slice := applydiscoveryv1.EndpointSlice(sliceName(s.key, of.source, kind, number), s.key.Namespace).
		WithLabels(s.sliceLabels(of.source)).
		WithAddressType(discoveryv1.AddressType(kind))
	for _, port := range of.ports {
		one := applydiscoveryv1.EndpointPort().WithName(port.Name).WithPort(int32(port.Number)).WithProtocol(protocols[port.Protocol])
		if port.AppProtocol != "" {
			one = one.WithAppProtocol(port.AppProtocol)
		}
		slice = slice.WithPorts(one)
	}
	for _, endpoint := range of.endpoints {
		conditions := applydiscoveryv1.EndpointConditions().
			WithReady(endpoint.Health == model.Serving).WithServing(true).WithTerminating(endpoint.Health == model.Draining)
		one := applydiscoveryv1.Endpoint().WithAddresses(endpoint.Addr.String()).WithConditions(conditions)
		if zone := endpoint.Zone.Value(); zone != "" {
			one = one.WithZone(zone)
		}
		if endpoint.hostname != "" {
			one = one.WithHostname(endpoint.hostname)
		}
		slice = slice.WithEndpoints(one)
	}
	return slice
}

// sliceLabels join a slice to its Service, and where it has pods to the import and to
// the member that they are of (KEP-1645, "Using EndpointSlice objects").
func (s *service) sliceLabels(source model.MemberName) map[string]string {
	labels := map[string]string{discoveryv1.LabelManagedBy: v1alpha1.ManagedByAgent, v1alpha1.LabelDerived: "true"}
	if !s.headless {
		labels[discoveryv1.LabelServiceName] = Name(s.key)
	}
	if source != "" {
		labels[api.LabelServiceName], labels[api.LabelSourceCluster] = s.key.Name, string(source)
	}
	return labels
}

// ownerOf is the name that a slice of ours belongs to.
func ownerOf(slice *discoveryv1.EndpointSlice) string {
	if name, headless := slice.Labels[api.LabelServiceName]; headless {
		return Name(model.ServiceKey{Namespace: slice.Namespace, Name: name})
	}
	return slice.Labels[discoveryv1.LabelServiceName]
}

// portsOf reads which ports of the gateway a derived Service of ours holds. Ports
// outside the range were set by somebody else, and are not believed.
func portsOf(object *corev1.Service) map[model.PortKey]uint16 {
	key, ours := serviceOf(object)
	if !ours || object.Annotations[throughAnnotation] != "gateway" {
		return nil
	}
	ports := map[model.PortKey]uint16{}
	for _, port := range object.Spec.Ports {
		target := port.TargetPort.IntValue()
		if port.Protocol == corev1.ProtocolTCP && target >= firstPort && target <= lastPort {
			ports[model.PortKey{Service: key, Number: uint16(port.Port)}] = uint16(target)
		}
	}
	return ports
}

// serviceOf is what a derived Service stands for; false where it says so of another one
// than its name does, or nothing.
func serviceOf(object metav1.Object) (model.ServiceKey, bool) {
	key := model.ServiceKey{Namespace: object.GetNamespace(), Name: object.GetAnnotations()[v1alpha1.AnnotationService]}
	return key, object.GetName() == Name(key)
}

// less reports whether a service leads to less than its object does: no more to other
// networks, or not from all of its ports.
func less(have *corev1.Service, wanted *service) bool {
	if have.Annotations[throughAnnotation] == "gateway" && !wanted.gateway {
		return true
	}
	return slices.ContainsFunc(have.Spec.Ports, func(port corev1.ServicePort) bool {
		return !slices.ContainsFunc(wanted.ports, func(one servicePort) bool {
			return int32(one.Number) == port.Port && protocols[one.Protocol] == port.Protocol
		})
	})
}

var applyOptions = metav1.ApplyOptions{FieldManager: "eastwest-agent", Force: true}
