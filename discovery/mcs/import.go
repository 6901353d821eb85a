package mcs

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	api "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Conditions of imports that are our own.
const (
	// Reachable is whether clients of this cluster can call the addresses that the
	// import's name leads to.
	Reachable = "eastwest.dev/Reachable"
	// Managed is false on an import that somebody else made: it stays as it is.
	Managed = "eastwest.dev/Managed"
	// NamesIncomplete is there, and true, where endpoints of the import have no name of
	// their own, as it would be longer than DNS allows.
	NamesIncomplete = "eastwest.dev/NamesIncomplete"
)

// Import is what a service of the view looks like in this cluster, in every dialect.
type Import struct {
	Key  model.ServiceKey
	Spec api.ServiceImportSpec
	// Labels and Annotations are those that the exporter wants on it.
	Labels, Annotations map[string]string
	// Derived is the name of the Service that has the address; empty: there is none.
	Derived string
	// Exporters are the members that export it, by name.
	Exporters []*model.Member
	// Slices is true where slices hold the endpoints of each exporter.
	Slices     bool
	Conditions []metav1.Condition
}

// Vantage is what an import depends on beside the view.
type Vantage struct {
	Own *model.Member
	// Derived is the Service that stands for a service in this cluster, and its
	// addresses; no addresses where it has none yet.
	Derived func(model.ServiceKey) (name string, addresses []netip.Addr)
	// Unnamed is how many endpoints of services have no name of their own, where there
	// are any.
	Unnamed map[model.ServiceKey]int
	// Families are those that Services of this cluster can have.
	Families []model.Family
	// Sidecars is true where sidecars reach other networks, and no gateway of ours
	// does.
	Sidecars bool
}

// importOf describes the import of a service.
func importOf(view *model.View, service *model.Service, from Vantage) Import {
	out := Import{
		Key: service.Key, Labels: service.Traits.Labels, Annotations: service.Traits.Annotations,
		Spec: api.ServiceImportSpec{
			Ports: portsOf(service.Ports), Type: api.ServiceImportType(service.Type.String()),
			SessionAffinity: corev1.ServiceAffinityNone,
		},
		Slices: service.Type == model.Headless || flat(view, service, from.Own),
	}
	traits := service.Traits
	if traits.ClientIP {
		out.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
		out.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &traits.AffinitySeconds}}
	}
	policy := corev1.ServiceInternalTrafficPolicy(cmp.Or(traits.InternalTrafficPolicy, string(corev1.ServiceInternalTrafficPolicyCluster)))
	out.Spec.InternalTrafficPolicy = &policy
	if traits.TrafficDistribution != "" {
		out.Spec.TrafficDistribution = &traits.TrafficDistribution
	}
	for _, name := range service.Exporters {
		if member := view.Members[name]; member != nil {
			out.Exporters = append(out.Exporters, member)
		}
	}
	slices.SortFunc(out.Exporters, func(a, b *model.Member) int { return cmp.Compare(a.Name, b.Name) })
	out.address(service, from)
	out.Conditions = []metav1.Condition{out.ready(service, from), out.reachable(view, service, from)}
	if condition, applies := out.namesIncomplete(from); applies {
		out.Conditions = append(out.Conditions, condition)
	}
	return out
}

// portsOf are the service's ports. An application protocol that nobody named stays
// unnamed.
func portsOf(ports []model.Port) []api.ServicePort {
	out := make([]api.ServicePort, len(ports))
	for i, port := range ports {
		out[i] = api.ServicePort{Name: port.Name, Protocol: corev1.Protocol(port.Protocol.String()), Port: int32(port.Number)}
		if port.AppProtocol != "" {
			out[i].AppProtocol = &ports[i].AppProtocol
		}
	}
	return out
}

// flat reports whether the pods of all exporters are reached directly.
func flat(view *model.View, service *model.Service, own *model.Member) bool {
	return !slices.ContainsFunc(service.Exporters, func(name model.MemberName) bool {
		member := view.Members[name]
		return member != nil && member.Network != own.Network
	})
}

// address fills in the addresses and their families, which go together.
func (i *Import) address(service *model.Service, from Vantage) {
	if service.Type == model.Headless {
		for _, family := range service.Traits.Families {
			i.Spec.IPFamilies = append(i.Spec.IPFamilies, corev1.IPFamily(family))
		}
		return
	}
	var addresses []netip.Addr
	i.Derived, addresses = from.Derived(service.Key)
	const most = 2 // the API's own bound
	for _, address := range addresses[:min(len(addresses), most)] {
		i.Spec.IPs = append(i.Spec.IPs, address.String())
		i.Spec.IPFamilies = append(i.Spec.IPFamilies, corev1.IPFamily(model.FamilyOf(address)))
	}
}

// ready is the condition Ready.
func (i *Import) ready(service *model.Service, from Vantage) metav1.Condition {
	say := func(status metav1.ConditionStatus, reason api.ServiceImportConditionReason, message string) metav1.Condition {
		return metav1.Condition{Type: string(api.ServiceImportConditionReady), Status: status, Reason: string(reason), Message: message}
	}
	common := func(f model.Family) bool { return slices.Contains(from.Families, f) }
	switch {
	case len(service.Traits.Families) > 0 && len(from.Families) > 0 && !slices.ContainsFunc(service.Traits.Families, common):
		return say(metav1.ConditionFalse, api.ServiceImportReasonIPFamilyNotSupported, "the exporters and this cluster have no IP family in common")
	case service.Type == model.ClusterSetIP && len(service.Ports) == 0:
		return say(metav1.ConditionFalse, api.ServiceImportReasonPending, "it has no port, and a Service of this cluster needs one")
	case service.Type == model.ClusterSetIP && len(i.Spec.IPs) == 0:
		return say(metav1.ConditionFalse, api.ServiceImportReasonPending, "it has no address in this cluster yet")
	}
	return say(metav1.ConditionTrue, api.ServiceImportReasonReady, "")
}

// reachable is the condition Reachable. Gateways stand in for services with an
// address of their own; the addresses of pods work on their network alone.
func (i *Import) reachable(view *model.View, service *model.Service, from Vantage) metav1.Condition {
	condition := metav1.Condition{Type: Reachable, Status: metav1.ConditionTrue, Reason: "Reachable"}
	if service.Type == model.Headless && !flat(view, service, from.Own) {
		condition.Status, condition.Reason = metav1.ConditionFalse, "NotReachable"
		condition.Message = "its name leads to pods of other networks, whose addresses cannot be called from here; export it with an address to go through gateways"
	}
	if condition.Status == metav1.ConditionTrue && from.Sidecars && !flat(view, service, from.Own) {
		condition.Status, condition.Reason = metav1.ConditionFalse, "SidecarNeeded"
		condition.Message = "endpoints of other networks are reached through sidecars alone, whose istiod must have ENABLE_MCS_HOST and ENABLE_MCS_SERVICE_DISCOVERY set"
	}
	if lost := lostProtocols(service); condition.Status == metav1.ConditionTrue && service.Type == model.ClusterSetIP && !flat(view, service, from.Own) && lost != "" {
		condition.Status, condition.Reason = metav1.ConditionFalse, "ProtocolNotSupported"
		condition.Message = "gateways between networks carry TCP alone; not reachable: " + lost
	}
	return condition
}

// namesIncomplete is the condition NamesIncomplete; false where it does not apply.
func (i *Import) namesIncomplete(from Vantage) (condition metav1.Condition, applies bool) {
	count := from.Unnamed[i.Key]
	return metav1.Condition{
		Type: NamesIncomplete, Status: metav1.ConditionTrue, Reason: "NameTooLong",
		Message: fmt.Sprintf("endpoints without a name of their own, which would be longer than DNS allows: %d; the import's own name leads to them, too", count),
	}, count > 0
}

// lostProtocols names the ports that no gateway carries.
func lostProtocols(service *model.Service) string {
	var lost []string
	for _, port := range service.Ports {
		if port.Protocol != model.TCP {
			lost = append(lost, port.String())
		}
	}
	return strings.Join(lost, ", ")
}
