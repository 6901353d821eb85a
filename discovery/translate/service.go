package translate

import (
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Service is what a gateway needs for one service: for each of its ports an inbound
// cluster where the own member exports it, and a listener and a cluster where a
// port of the gateway leads to it.
func Service(view *model.View, service *model.Service, from model.Vantage, options Options) Set {
	var set Set
	if !isLabel(service.Key.Namespace) || !isLabel(service.Key.Name) {
		set.Problems = append(set.Problems, serviceProblem(service.Key, NameInvalid, "name %q is not made of DNS labels", service.Key))
		return set
	}
	exports := slices.Contains(service.Exporters, from.Member) && admitsAnybody(view, service.Key, from, options)
	for _, port := range service.Ports {
		key := model.PortKey{Service: service.Key, Number: port.Number}
		if port.Protocol != model.TCP {
			if crosses(view, service, from) {
				set.Problems = append(set.Problems, serviceProblem(service.Key, ProtocolUnsupported,
					"port %d/%s of %q does not go between networks: gateways carry TCP only", port.Number, port.Protocol, port.Name))
			}
			continue
		}
		if exports {
			// Also for ports that other members alone serve: these have no endpoint here,
			// and a cluster that stays costs less than one that comes and goes.
			set.addCluster(inboundCluster(key, port), inboundGroups(view, service, port, from))
		}
		if listens := options.Listeners[key]; listens != 0 {
			set.addCluster(egressCluster(view, service, key, port, from, options), egressGroups(view, service, port, from, options))
			set.Listeners = append(set.Listeners, egressListener(listens, key, port, options))
		}
	}
	return set
}

// admitsAnybody is false for services whose clients are all gone: without a
// cluster, every connection for them is closed.
func admitsAnybody(view *model.View, key model.ServiceKey, from model.Vantage, options Options) bool {
	if _, restricted := options.Clients[key]; !restricted {
		return true
	}
	identities, _ := clientsOf(view, key, from, options)
	return len(identities) > 0
}

// crosses reports whether the service goes through gateways: somebody exports it
// from another network, or the own member exports it to one.
func crosses(view *model.View, service *model.Service, from model.Vantage) bool {
	elsewhere := func(member *model.Member) bool { return member != nil && member.Network != from.Network }
	if slices.ContainsFunc(service.Exporters, func(name model.MemberName) bool { return elsewhere(view.Members[name]) }) {
		return true
	}
	if !slices.Contains(service.Exporters, from.Member) {
		return false
	}
	for _, member := range view.Members {
		if elsewhere(member) {
			return true
		}
	}
	return false
}

// speaksHTTP reports whether requests of a port can be told apart. What its owner
// said it speaks counts before its name; https is bytes to us.
func speaksHTTP(port model.Port) bool {
	word, _, _ := strings.Cut(port.Name, "-")
	if port.AppProtocol != "" {
		word = strings.ToLower(port.AppProtocol)
	}
	switch word {
	case "http", "http2", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws":
		return true
	}
	return false
}
