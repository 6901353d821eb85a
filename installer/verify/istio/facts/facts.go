// Package facts reads what one cluster says about its part in the mesh: its
// gateways, what it exposes, the remote secrets it holds, what its istiod
// replicas have synced, and the policies that can stop a request. It owns the
// reduction of those objects to the few fields a verdict needs. It must not
// know other clusters, and draws no conclusion: that is package judge.
//
// Policies are read into small structs of our own, by their stable JSON names:
// v1, v1beta1 and v1alpha3 of Istio's objects are the same there, so meshes of
// any age are read the same way.
package facts

import (
	"slices"
	"strings"
)

// Cluster is everything read from one cluster.
type Cluster struct {
	// Network is the label of Istio's namespace.
	Network string
	// Gateways are the Services that are, or look like, east-west gateways.
	Gateways []Gateway
	// Declared are addresses of gateways elsewhere, declared by hand in this
	// cluster (Gateway objects of class istio-remote).
	Declared []Declared
	// Exposures are the servers of Gateway objects with AUTO_PASSTHROUGH.
	Exposures     []Exposure
	RemoteSecrets []RemoteSecret
	Istiods       []Istiod
	Meshes        map[string]Mesh // by revision

	PeerAuthentications   []PeerAuthentication
	AuthorizationPolicies []AuthorizationPolicy
	DestinationRules      []DestinationRule
	Sidecars              []Sidecar

	// Unread says what could not be read and why; checks that need it are mute.
	Unread []string
}

// Parts of a cluster that cannot be missed in silence.
const (
	PartSecrets = "remote secrets"
	PartIstiod  = "istiod"
)

// Knows says that a part could be read.
func (c Cluster) Knows(part string) bool {
	return !slices.ContainsFunc(c.Unread, func(text string) bool { return strings.HasPrefix(text, part+": ") })
}

// Object is where something was read.
type Object struct {
	Namespace, Name string
}

func (o Object) String() string { return o.Namespace + "/" + o.Name }

// Gateway is a Service in front of an east-west gateway.
type Gateway struct {
	Object
	// Network is the label topology.istio.io/network, by which istiod finds it.
	Network string
	// Port is the port peers dial at the addresses, TargetPort the one its Envoy
	// listens on; both 0 where the Service has no gateway port.
	Port, TargetPort int
	// NodePort is the port peers dial at the nodes instead, where the Service
	// says so; its addresses are then not known here.
	NodePort int
	// Addresses are load balancer addresses, hostnames and external IPs.
	Addresses []string
	// Selector and Pods are what is behind it.
	Selector map[string]string
	Pods     []GatewayPod
}

// GatewayPod is one replica of a gateway.
type GatewayPod struct {
	Name, IP string
	Ready    bool
	Labels   map[string]string
}

// Ready is the names of the replicas which take traffic.
func (g Gateway) Ready() []string {
	var names []string
	for _, p := range g.Pods {
		if p.Ready {
			names = append(names, p.Name)
		}
	}
	return names
}

// Declared is a gateway address of another cluster's network.
type Declared struct {
	Object
	Network, Address string
	Port             int
}

// Exposure is one AUTO_PASSTHROUGH server.
type Exposure struct {
	Object
	Selector map[string]string
	Port     int
	Hosts    []string
}

// RemoteSecret is one entry of a remote secret.
type RemoteSecret struct {
	Object
	// ClusterID is the entry's key.
	ClusterID string
	// Server and Proxy are the addresses in its kubeconfig.
	Server, Proxy string
	// Token is its bearer token: never printed, only tried.
	Token string
	// Invalid says why the kubeconfig is unusable.
	Invalid string
}

// Istiod is one replica of a control plane.
type Istiod struct {
	Pod, Revision string
	Ready         bool
	// Sync is the state of each remote cluster by its ID; nil if not known.
	Sync map[string]string
}

// Mesh is the mesh configuration of one revision.
type Mesh struct {
	RootNamespace string
	AutoMTLS      bool
	// ClusterLocal are host patterns whose endpoints stay in their cluster.
	ClusterLocal []string
	// Selects says that discoverySelectors limit what istiod sees.
	Selects bool
}
