package translate

import (
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// Service is what a gateway needs for one service: for each of its ports an inbound
// cluster where the own member exports it, and a listener and a cluster where a
// port of the gateway leads to it.
func Service(view *model.View, service *model.Service, from model.Vantage, options Options) Set {
	var set Set
	if !model.IsLabel(service.Key.Namespace) || !model.IsLabel(service.Key.Name) {
		set.Problems = append(set.Problems, serviceProblem(service.Key, NameInvalid, "name %q is not made of DNS labels", service.Key))
		return set
	}
	for _, port := range service.Ports {
		if port.Protocol != model.TCP && crosses(view, service, from) {
			set.Problems = append(set.Problems, serviceProblem(service.Key, ProtocolUnsupported,
				"port %d/%s of %q does not go between networks: gateways carry TCP only", port.Number, port.Protocol, port.Name))
		}
	}
	for _, one := range directions(view, service, from, options) {
		if one.listens == 0 {
			set.addCluster(inboundCluster(one.key, one.port), inboundShares(view, service, one.port, from))
			continue
		}
		set.addCluster(egressCluster(view, service, one.key, one.port, from, options), egressShares(view, service, one.port, from, options))
		set.Listeners = append(set.Listeners, egressListener(one.listens, one.key, one.port, options))
	}
	return set
}

// Reassign is Service where nothing but endpoints differs from before, which is most of
// what happens: all else of before stays. SameButEndpoints says when; the view has the
// same members, and the options are the same.
func Reassign(view *model.View, service *model.Service, from model.Vantage, options Options, before Set) Set {
	out := before
	out.Endpoints, out.parts = make([]*eds.Assignment, 0, len(before.Endpoints)), make([][]part, 0, len(before.Endpoints))
	if len(before.Endpoints) == 0 {
		return out
	}
	for i, one := range directions(view, service, from, options) {
		var shares []share
		if one.listens == 0 {
			shares = inboundShares(view, service, one.port, from)
		} else {
			shares = egressShares(view, service, one.port, from, options)
		}
		last := assigned{before.Endpoints[i], before.parts[i]}
		out.addAssigned(assign(last.Name, shares, checked(before.Clusters[i]), last))
	}
	return out
}

// SameButEndpoints reports whether two states of a service have the same clusters and
// listeners.
func SameButEndpoints(before, after *model.Service) bool {
	return before != nil && after != nil && before.Key == after.Key && before.Traits.ClientIP == after.Traits.ClientIP &&
		slices.Equal(before.Exporters, after.Exporters) && slices.Equal(before.Ports, after.Ports)
}

// direction is one way of a port through the gateway: in, to pods of the own member, or
// out, from a port that the gateway listens on.
type direction struct {
	key  model.PortKey
	port model.Port
	// listens is 0 for the way in.
	listens uint16
}

// directions are those of a service, in the order of its clusters.
func directions(view *model.View, service *model.Service, from model.Vantage, options Options) []direction {
	exports := slices.Contains(service.Exporters, from.Member) && admitsAnybody(view, service.Key, from, options)
	all := make([]direction, 0, 2*len(service.Ports))
	for _, port := range service.Ports {
		key := model.PortKey{Service: service.Key, Number: port.Number}
		if port.Protocol != model.TCP {
			continue
		}
		if exports {
			// Also for ports that other members alone serve: these have no endpoint here,
			// and a cluster that stays costs less than one that comes and goes.
			all = append(all, direction{key: key, port: port})
		}
		if listens := options.Listeners[key]; listens != 0 {
			all = append(all, direction{key, port, listens})
		}
	}
	return all
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
