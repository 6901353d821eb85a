package watch

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unique"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// labelSourceCluster marks slices that some controller imported from another
// cluster (KEP-1645). To export them again would make a loop.
const labelSourceCluster = "multicluster.kubernetes.io/source-cluster"

// manyPorts is how many ports a service may have before it is worth a warning.
const manyPorts = 50

// perObject is about what maps, strings and slice headers cost for an object.
const perObject = 200

// packService reduces a Service.
func packService(from *corev1.Service) object {
	id := idOf(from)
	out := object{id: id, key: model.ServiceKey{Namespace: strings.Clone(id.namespace), Name: strings.Clone(id.name)}}
	d := dropper{object: "Service " + id.String()}
	switch {
	case !validNames(out.key):
		d.add(DropName, id.String())
	case from.Labels[v1alpha1.LabelDerived] == "true":
		d.add(DropDerived, id.name)
	case from.Spec.Type == corev1.ServiceTypeExternalName:
		d.add(DropServiceType, string(from.Spec.Type))
		out.service, out.size = &service{external: true}, perObject
	default:
		out.service = &service{created: seconds(from.CreationTimestamp), ports: servicePorts(from.Spec.Ports, &d)}
		if from.Spec.ClusterIP == corev1.ClusterIPNone {
			out.service.kind = model.Headless
		}
		out.service.traits = traits(&from.Spec)
		if len(out.service.ports) > manyPorts {
			out.service.excess = len(out.service.ports)
		}
		out.size = perObject + len(out.service.ports)*int(unsafe.Sizeof(model.Port{}))
	}
	out.drops = d.result()
	return out
}

// servicePorts keeps the first of ports with one name or with one number and
// protocol.
func servicePorts(from []corev1.ServicePort, d *dropper) []model.Port {
	ports := make([]model.Port, 0, len(from))
	for i := range from {
		port, ok := packPort(from[i].Name, from[i].AppProtocol, from[i].Port, from[i].Protocol)
		if !ok {
			d.add(DropPort, from[i].Name)
			continue
		}
		if slices.ContainsFunc(ports, func(p model.Port) bool {
			return p.Name == port.Name || p.Number == port.Number && p.Protocol == port.Protocol
		}) {
			d.add(DropDuplicate, port.Name)
			continue
		}
		ports = append(ports, port)
	}
	return ports
}

func packPort(name string, appProtocol *string, number int32, protocol corev1.Protocol) (model.Port, bool) {
	if number < 1 || number > 65535 || name != "" && !model.IsLabel(name) {
		return model.Port{}, false
	}
	port := model.Port{Name: unique.Make(name).Value(), Number: uint16(number)}
	switch protocol {
	case corev1.ProtocolTCP, "":
	case corev1.ProtocolUDP:
		port.Protocol = model.UDP
	case corev1.ProtocolSCTP:
		port.Protocol = model.SCTP
	default:
		return model.Port{}, false
	}
	if appProtocol != nil && len(validation.IsQualifiedName(*appProtocol)) == 0 {
		port.AppProtocol = unique.Make(*appProtocol).Value()
	}
	return port, true
}

// packSlice reduces an EndpointSlice. Of an endpoint's addresses only the first
// is used, as kube-proxy does: they are said to be interchangeable.
func packSlice(from *discoveryv1.EndpointSlice, p *policy) object {
	id := idOf(from)
	out := object{id: id, key: model.ServiceKey{Namespace: strings.Clone(id.namespace), Name: strings.Clone(from.Labels[discoveryv1.LabelServiceName])}}
	d := dropper{object: "EndpointSlice " + id.String()}
	switch {
	case out.key.Name == "":
		return object{id: id}
	case !validNames(out.key) || !model.IsLabel(id.name) && len(validation.IsDNS1123Subdomain(id.name)) > 0:
		d.add(DropName, id.String())
	case derivedSlice(from.Labels):
		d.add(DropDerived, id.name)
	case from.AddressType != discoveryv1.AddressTypeIPv4 && from.AddressType != discoveryv1.AddressTypeIPv6:
		d.add(DropFamily, string(from.AddressType))
	default:
		ports := slicePorts(from.Ports, &d)
		if len(ports) == 0 {
			break
		}
		out.slice = &model.Slice{Name: strings.Clone(id.name), Ports: ports}
		out.slice.Endpoints, out.slice.Hostnames = endpoints(from, p, &d)
		out.size = sizeOfSlice(out.slice)
	}
	out.drops = d.result()
	return out
}

func derivedSlice(labels map[string]string) bool {
	_, imported := labels[labelSourceCluster]
	return imported || labels[v1alpha1.LabelDerived] == "true" || labels[discoveryv1.LabelManagedBy] == v1alpha1.ManagedByAgent
}

// slicePorts leaves out ports without a number, which stand for all of them.
func slicePorts(from []discoveryv1.EndpointPort, d *dropper) []model.Port {
	if len(from) == 0 {
		d.add(DropNoPorts, "")
		return nil
	}
	ports := make([]model.Port, 0, len(from))
	for i := range from {
		name, protocol := "", corev1.ProtocolTCP
		if from[i].Name != nil {
			name = *from[i].Name
		}
		if from[i].Protocol != nil {
			protocol = *from[i].Protocol
		}
		number := int32(0)
		if from[i].Port != nil {
			number = *from[i].Port
		}
		port, ok := packPort(name, from[i].AppProtocol, number, protocol)
		if !ok {
			d.add(DropPort, name)
			continue
		}
		ports = append(ports, port)
	}
	return ports
}

// endpoints are those of a slice, and their hostnames.
func endpoints(from *discoveryv1.EndpointSlice, p *policy, d *dropper) (all model.Endpoints, names []string) {
	all.Grow(len(from.Endpoints), model.Family(from.AddressType))
	var places zones
	for i := range from.Endpoints {
		one := &from.Endpoints[i]
		if len(one.Addresses) == 0 {
			d.add(DropAddress, "")
			continue
		}
		ip, err := netip.ParseAddr(one.Addresses[0])
		switch {
		case err != nil || ip.Is4() != (from.AddressType == discoveryv1.AddressTypeIPv4) || ip.Is4In6() || ip.Zone() != "":
			d.add(DropAddress, one.Addresses[0])
			continue
		case !model.Elsewhere(ip):
			d.add(DropDenied, one.Addresses[0])
			continue
		case !model.Within(p.pods, ip):
			d.add(DropOutside, one.Addresses[0])
			continue
		}
		if name := hostname(one.Hostname, d); name != "" {
			if names == nil {
				names = make([]string, len(from.Endpoints))
			}
			names[all.Len()] = name
		}
		all.Append(model.Endpoint{Addr: ip, Zone: places.of(one.Zone), Health: health(&one.Conditions)})
	}
	if names != nil {
		names = names[:all.Len()]
	}
	return all, names
}

// hostname is empty where DNS could not have it; the endpoint stays.
func hostname(from *string, d *dropper) string {
	if from == nil || *from == "" {
		return ""
	}
	if !model.IsLabel(*from) {
		d.add(DropHostname, *from)
		return ""
	}
	return strings.Clone(*from)
}

// zones are those of the endpoints before, by the names as they were decoded: there are
// few of them and many endpoints.
type zones struct {
	names [fewZones]*string
	known [fewZones]model.Zone
	count int
}

// of interns the name, unless it is none.
func (z *zones) of(name *string) model.Zone {
	for i := range z.count {
		if z.names[i] == name {
			return z.known[i]
		}
	}
	found := model.NoZone
	if name != nil && len(validation.IsValidLabelValue(*name)) == 0 {
		found = unique.Make(*name)
	}
	if z.count < fewZones {
		z.names[z.count], z.known[z.count] = name, found
		z.count++
	}
	return found
}

func health(c *discoveryv1.EndpointConditions) model.Health {
	ready := c.Ready == nil || *c.Ready
	serving := c.Serving == nil && ready || c.Serving != nil && *c.Serving
	switch {
	case ready:
		return model.Serving
	case c.Terminating != nil && *c.Terminating && serving:
		return model.Draining
	}
	return model.Unready
}

// seconds is a time as Kubernetes knows it, comparable with ==.
func seconds(from metav1.Time) time.Time {
	if from.IsZero() {
		return time.Time{}
	}
	return time.Unix(from.Unix(), 0).UTC()
}

// packGateway reads the addresses that peers can dial: those of the load
// balancer, else the external IPs.
func packGateway(from *corev1.Service, wanted objectID) object {
	id := idOf(from)
	out := object{id: id, gateway: &gateway{id: id}}
	if id != wanted {
		return object{id: id}
	}
	port := gatewayPort(from.Spec.Ports)
	if port == 0 {
		return out
	}
	add := func(host string) {
		const most = 64
		address := model.HostPort{Host: strings.Clone(host), Port: port}
		if host != "" && len(out.gateway.addresses) < most && !slices.Contains(out.gateway.addresses, address) {
			out.gateway.addresses = append(out.gateway.addresses, address)
		}
	}
	for _, ingress := range from.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			add(ingress.IP)
		} else {
			add(ingress.Hostname)
		}
	}
	if len(out.gateway.addresses) == 0 {
		for _, ip := range from.Spec.ExternalIPs {
			add(ip)
		}
	}
	return out
}

// gatewayPort is the port that carries traffic: 15443, or the one named tls.
func gatewayPort(ports []corev1.ServicePort) uint16 {
	const number = 15443
	for _, port := range ports {
		if port.Port == number || port.TargetPort.IntValue() == number || port.Name == "tls" {
			if port.Port > 0 && port.Port <= 65535 {
				return uint16(port.Port)
			}
		}
	}
	return 0
}
