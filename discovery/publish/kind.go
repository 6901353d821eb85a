package publish

import "strings"

// kind is a type of resource that is served here.
type kind uint8

// The kinds in the order in which they go out: what others refer to comes first,
// so that a gateway never has a listener whose cluster is still to come.
// Endpoints and secrets wait for nothing.
const (
	secretKind kind = iota
	endpointKind
	clusterKind
	listenerKind
	routeKind
	kinds
)

// setKinds are what a Set has.
var setKinds = [...]kind{endpointKind, clusterKind, listenerKind, routeKind}

const typePrefix = "type.googleapis.com/"

var typeURLs = [kinds]string{
	secretKind:   typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret",
	endpointKind: typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment",
	clusterKind:  typePrefix + "envoy.config.cluster.v3.Cluster",
	listenerKind: typePrefix + "envoy.config.listener.v3.Listener",
	routeKind:    typePrefix + "envoy.config.route.v3.RouteConfiguration",
}

// kindOf is false for types that are not served.
func kindOf(typeURL string) (kind, bool) {
	for k, url := range typeURLs {
		if url == typeURL {
			return kind(k), true
		}
	}
	return 0, false
}

// String is the last word of the type, such as Cluster.
func (k kind) String() string { return typeURLs[k][strings.LastIndexByte(typeURLs[k], '.')+1:] }
