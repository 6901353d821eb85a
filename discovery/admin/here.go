package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// here walks from the view to the clients of the own cluster.
func (w *walk) here() {
	service, here := w.e.View.Services.Get(w.e.Service), w.e.Here
	for _, one := range w.e.Untranslated {
		if one.Service == w.e.Service {
			w.fail("", "translated", one.Reason+": "+one.Message, "use a TCP port and DNS labels as names")
		}
	}
	if here.Unknown != "" {
		w.fail("", "namespace", here.Unknown, "see whether this cluster's API server is well")
		return
	}
	if !here.Namespace {
		w.fail("", "namespace", fmt.Sprintf("this cluster has no namespace %s", w.e.Service.Namespace), "make it: services are imported only where their namespace exists")
		return
	}
	w.pass("", "namespace", "it exists")
	if service.Type == model.Headless {
		w.fail("", "derived", "the service is headless: no address stands for it", "call it within its own cluster, or give the Service an address")
		return
	}
	if !here.Found {
		w.fail("", "derived", fmt.Sprintf("there is no Service %s/%s", w.e.Service.Namespace, here.Derived),
			"see which replica holds the Lease eastwest-agent, and its log")
		return
	}
	w.pass("", "derived", "clients call %s.%s.svc", here.Derived, w.e.Service.Namespace)
	if !w.crosses(service) {
		return
	}
	w.listeners(service)
	w.gateways()
}

// crosses reports whether the service goes through the local gateway.
func (w *walk) crosses(service *model.Service) bool {
	return slices.ContainsFunc(service.Exporters, func(name model.MemberName) bool {
		member := w.e.View.Members[name]
		return member != nil && member.Network != w.e.From.Network
	})
}

func (w *walk) listeners(service *model.Service) {
	var given, missing []string
	for _, port := range service.Ports {
		switch listener := w.e.Here.Listeners[port.Number]; {
		case port.Protocol != model.TCP:
		case listener == 0:
			missing = append(missing, fmt.Sprint(port.Number))
		default:
			given = append(given, fmt.Sprintf("%d at %d", port.Number, listener))
		}
	}
	if len(missing) > 0 {
		w.fail("", "port", "the gateway has no port yet for port "+strings.Join(missing, ", "), "see the log of the replica that holds the Lease; it has 10,000 to give")
		return
	}
	w.pass("", "port", "the gateway listens for port %s", strings.Join(given, ", "))
}

func (w *walk) gateways() {
	const step = "gateway"
	if w.e.Here.ReadyGateways == 0 {
		w.fail("", step, "no pod of the local gateway is ready", "see the gateway's pods, and why they do not become ready")
		return
	}
	if len(w.e.Here.Gateways) == 0 {
		w.pass("", step, "%d pods are ready; none is connected to this replica of the agent, so ask another what they accepted", w.e.Here.ReadyGateways)
		return
	}
	for _, one := range w.e.Here.Gateways {
		switch {
		case one.Nack != "":
			w.fail("", step, fmt.Sprintf("gateway %s refused its configuration: %s", one.Node, one.Nack), "report it with the output of /config?proxy="+one.Node)
		case one.Pending:
			w.fail("", step, fmt.Sprintf("gateway %s has not answered yet", one.Node), "ask again; if it stays so, see the gateway's pod")
		default:
			w.pass("", step, "gateway %s has accepted all that it was sent", one.Node)
		}
	}
}
