// Package envoy reads what a proxy says about itself: its clusters, endpoints,
// listeners, certificates and counters, as the admin interface prints them. It
// owns the paths to ask for and the few fields that a verdict needs, and knows
// no Kubernetes, no mesh and no exec.
//
// Only a filtered part is asked for: a whole config_dump of a large mesh is
// hundreds of megabytes.
package envoy

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
)

// Namespace is the services of one namespace on one port, which is all that a
// verification ever looks at.
type Namespace struct {
	Name string
	Port int
}

// ClustersPath asks a sidecar for its outbound clusters of the namespace.
func (n Namespace) ClustersPath() string {
	return dump("dynamic_active_clusters", n.outbound("|"), false)
}

// EndpointsPath asks a sidecar for the endpoints behind those clusters.
func (n Namespace) EndpointsPath() string {
	return dump("dynamic_endpoint_configs", n.outbound("|"), true)
}

// PassthroughEndpointsPath asks a gateway for the endpoints behind the clusters
// which an AUTO_PASSTHROUGH server forwards to.
func (n Namespace) PassthroughEndpointsPath() string {
	return dump("dynamic_endpoint_configs", n.outbound("_."), true)
}

// AllEndpointsPath asks a sidecar for every endpoint it has.
func AllEndpointsPath() string { return dump("dynamic_endpoint_configs", `outbound\|.*`, true) }

// ListenersPath asks a gateway for its listeners on a port.
func ListenersPath(port int) string {
	return dump("dynamic_listeners", fmt.Sprintf(`.*_%d`, port), false)
}

// SecretsPath asks for the certificate and the roots in use. Envoy redacts the
// private key.
func SecretsPath() string { return dump("dynamic_active_secrets", "", false) }

// StatsPath asks for the counters of the namespace's clusters and of RBAC.
func (n Namespace) StatsPath() string {
	filter := fmt.Sprintf(`cluster\.outbound\|%d\|.*\.%s\.svc\..*|rbac`, n.Port, regexp.QuoteMeta(n.Name))
	return "stats?format=json&filter=" + url.QueryEscape(filter)
}

// outbound is the pattern of cluster names: outbound|5000||host or, on a
// gateway, outbound_.5000_._.host.
func (n Namespace) outbound(separator string) string {
	s := regexp.QuoteMeta(separator)
	return fmt.Sprintf(`outbound%s%d%s%s.*\.%s\.svc\..*`, s, n.Port, s, s, regexp.QuoteMeta(n.Name))
}

// SNI is the server name under which a consumer asks a gateway for a service.
func SNI(host string, port int) string { return fmt.Sprintf("outbound_.%d_._.%s", port, host) }

// ClusterName is the name of a sidecar's cluster for a service.
func ClusterName(host string, port int) string { return fmt.Sprintf("outbound|%d||%s", port, host) }

func dump(resource, name string, endpoints bool) string {
	path := "config_dump?resource=" + resource
	if endpoints {
		path += "&include_eds"
	}
	if name != "" {
		path += "&name_regex=" + url.QueryEscape(name)
	}
	return path
}

// configs is the envelope of every config_dump.
type configs[T any] struct {
	Configs []T `json:"configs"`
}

func decode[T any](data []byte, what string) ([]T, error) {
	var all configs[T]
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("decode Envoy's %s: %w", what, err)
	}
	return all.Configs, nil
}
