package mcs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	api "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Conditions of exports that are our own.
const (
	// PortsReachable is false where gateways do not carry some of its ports.
	PortsReachable = "eastwest.dev/PortsReachable"
	// WithinLimits is false where it is larger than is good, which is served all the
	// same, or larger than a quota that somebody set.
	WithinLimits = "eastwest.dev/WithinLimits"
	// Warning is there, and true, where something is wrong with an export that is
	// offered all the same.
	Warning = "eastwest.dev/Warning"
)

// What is recommended at most for one service (GKE's guide to multi-cluster
// Services).
const (
	mostExporters = 5
	mostPods      = 249 // "under 250"
	mostPorts     = 50
)

// Problem is why an export of this cluster is not offered, or what is wrong with it.
type Problem struct {
	Reason, Message string
	// Withheld is true where it is not offered because of that.
	Withheld bool
}

// Export is what this cluster's ServiceExports of one name shall say.
type Export struct {
	Key model.ServiceKey
	// Incumbent is the member whose values hold; empty: nothing is recorded anew.
	Incumbent  model.MemberName
	Conditions []metav1.Condition
}

// exportOf describes an export of the own member. The service is that of the view,
// nil where the view has none.
func exportOf(key model.ServiceKey, view *model.View, own model.MemberName, problem *Problem) Export {
	out := Export{Key: key}
	service := view.Services.Get(key)
	offered := service != nil && slices.Contains(service.Exporters, own)
	if of := overruled(service, own, offered); of != nil {
		problem = of
	}
	if problem != nil && problem.Withheld {
		offered = false
	}
	out.Conditions = []metav1.Condition{valid(problem), exported(offered, problem)}
	if !offered {
		return out
	}
	out.Incumbent = service.Exporters[0]
	out.Conditions = append(out.Conditions, conflicting(service), portsReachable(view, service), withinLimits(service))
	if problem != nil {
		out.Conditions = append(out.Conditions, exportCondition(Warning, true, problem.Reason, problem.Message))
	}
	return out
}

// overruled is why an export comes to nothing though its Service is in order; nil where
// it does not.
func overruled(service *model.Service, own model.MemberName, offered bool) *Problem {
	switch {
	case service == nil:
	case offered && service.Type == model.ClusterSetIP && len(service.Ports) == 0:
		return &Problem{Reason: "NoPorts", Message: "a service with an address of its own needs a port", Withheld: true}
	case slices.Contains(service.Cut.Exporters, own):
		return &Problem{Reason: tooManyClusters, Withheld: true, Message: fmt.Sprintf(
			"by limits.exportersPerService of the agents %d count, and %s comes after them", len(service.Exporters), own)}
	}
	return nil
}

func exportCondition(kind api.ServiceExportConditionType, status bool, reason, message string) metav1.Condition {
	condition := metav1.Condition{Type: string(kind), Status: metav1.ConditionFalse, Reason: reason, Message: message}
	if status {
		condition.Status = metav1.ConditionTrue
	}
	return condition
}

// valid is about the Service alone.
func valid(problem *Problem) metav1.Condition {
	if problem != nil && (problem.Reason == string(api.ServiceExportReasonNoService) || problem.Reason == string(api.ServiceExportReasonInvalidServiceType)) {
		return exportCondition(api.ServiceExportConditionValid, false, problem.Reason, problem.Message)
	}
	return exportCondition(api.ServiceExportConditionValid, true, string(api.ServiceExportReasonValid), "")
}

// exported is the condition Ready: whether importers can have it. They read this
// cluster by themselves, which is the pull model.
func exported(offered bool, problem *Problem) metav1.Condition {
	switch {
	case offered:
		return exportCondition(api.ServiceExportConditionReady, true, string(api.ServiceExportReasonReady), "")
	case problem != nil && problem.Withheld:
		return exportCondition(api.ServiceExportConditionReady, false, string(api.ServiceExportReasonFailed), problem.Reason+": "+problem.Message)
	}
	return exportCondition(api.ServiceExportConditionReady, false, string(api.ServiceExportReasonPending), "it was not taken up yet")
}

// conflicting is the condition Conflict, which all exporters have alike (KEP-1645).
// Several reasons are joined by commas.
func conflicting(service *model.Service) metav1.Condition {
	if len(service.Conflicts) == 0 {
		return exportCondition(api.ServiceExportConditionConflict, false, string(api.ServiceExportReasonNoConflicts), "")
	}
	reasons, messages := make([]string, len(service.Conflicts)), make([]string, len(service.Conflicts))
	for i, conflict := range service.Conflicts {
		reasons[i], messages[i] = string(conflict.Reason), conflict.Message
	}
	return exportCondition(api.ServiceExportConditionConflict, true, strings.Join(reasons, ","), strings.Join(messages, "; "))
}

// portsReachable is the condition of that name.
func portsReachable(view *model.View, service *model.Service) metav1.Condition {
	lost := lostProtocols(service)
	if lost == "" || !acrossNetworks(view) {
		return exportCondition(PortsReachable, true, "Reachable", "")
	}
	return exportCondition(PortsReachable, false, "ProtocolNotSupported", "gateways between networks carry TCP alone; not reachable from other networks: "+lost)
}

func acrossNetworks(view *model.View) bool {
	networks := map[model.NetworkID]bool{}
	for _, member := range view.Members {
		networks[member.Network] = true
	}
	return len(networks) > 1
}

// tooManyClusters is the reason where more members export a service than is good.
const tooManyClusters = "TooManyClusters"

// withinLimits is the condition of that name.
func withinLimits(service *model.Service) metav1.Condition {
	cut := service.Cut
	pods := podsOf(service) + cut.Endpoints
	var over, reasons []string
	for _, one := range []struct {
		count, cut, most int
		reason, what     string
	}{
		{len(service.Exporters) + len(cut.Exporters), len(cut.Exporters), mostExporters, tooManyClusters, "clusters export it"},
		{pods, cut.Endpoints, mostPods, "TooManyPods", "endpoints"},
		{len(service.Ports) + cut.Ports, cut.Ports, mostPorts, "TooManyPorts", "ports"},
	} {
		switch {
		case one.cut > 0:
			reasons = append(reasons, one.reason)
			over = append(over, fmt.Sprintf("%d %s, %d of them left out by the agents' limits", one.count, one.what, one.cut))
		case one.count > one.most:
			reasons = append(reasons, one.reason)
			over = append(over, fmt.Sprintf("%d %s, where %d are recommended at most; all are served", one.count, one.what, one.most))
		}
	}
	if len(over) == 0 {
		return exportCondition(WithinLimits, true, "WithinLimits", "")
	}
	return exportCondition(WithinLimits, false, strings.Join(reasons, ","), strings.Join(over, "; "))
}

// byType orders conditions, so that equal ones are written alike.
func byType(conditions []metav1.Condition) {
	slices.SortFunc(conditions, func(a, b metav1.Condition) int { return cmp.Compare(a.Type, b.Type) })
}
