package member

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// NetworkLabel carries the network of a pod, a gateway or istiod's namespace.
const NetworkLabel = "topology.istio.io/network"

// GatewayPort is the port of east-west gateways.
const GatewayPort = 15443

// GatewayHealthPort is the port on which a gateway tells load balancers that it
// is ready.
const GatewayHealthPort = 15021

// Facts are what one cluster says of itself, read once.
type Facts struct {
	// UID of the namespace kube-system: the identity of the cluster.
	UID types.UID
	// CAHash identifies the authority of the API server, and so the cluster
	// behind a kubeconfig that holds it.
	CAHash string
	// Version of Kubernetes.
	Version string
	// Platform guessed from provider IDs of the nodes; empty where unknown.
	Platform string
	// Region of the nodes where they agree.
	Region string
	// PodCIDRs of the nodes.
	PodCIDRs []string
	// NamespaceNetwork is the network label of istiod's namespace.
	NamespaceNetwork string
	// ControlPlanes are the istiods, one per revision, sorted.
	ControlPlanes []ControlPlane
	// Tags maps a revision tag to its revision; "default" is the tag of the
	// plain label istio-injection.
	Tags map[string]string
	// Gateways are the east-west gateways: Services with a network label, or
	// with port 15443 and pods that istiod injected.
	Gateways []Gateway
	// Exposures are Istio Gateways with an AUTO_PASSTHROUGH server.
	Exposures []Exposure
	// Declared are the addresses of other clusters' gateways that this one's
	// istiod was told by hand.
	Declared []Declared
	// RemoteSecrets are the credentials istiod has for other clusters.
	RemoteSecrets []RemoteSecret
	// Proxies are what live sidecars and gateways were told of their identity,
	// counted by value.
	Proxies []ProxyIdentity
	// Trust is the CA material that can be read, without keys.
	Trust TrustObjects
	// HasGatewayAPI is true where the Gateway API is installed.
	HasGatewayAPI bool
	// HasIstioCRDs is true where networking.istio.io is served.
	HasIstioCRDs bool
	// Nodes in the cluster, and their internal addresses.
	Nodes []string
}

// ControlPlane is one istiod revision.
type ControlPlane struct {
	Revision string
	// Version of Istio as its image tag or version label says; empty where unknown.
	Version string
	// Deployment in istiod's namespace.
	Deployment string
	// ServiceAccount istiod runs as.
	ServiceAccount string
	// Replicas wanted and ready.
	Replicas, Ready int
	// ClusterID is the CLUSTER_ID of the istiod container.
	ClusterID string
	// Env is the plain environment of the istiod container.
	Env map[string]string
	// MeshID, TrustDomain and its aliases come from the mesh ConfigMap.
	MeshID             string
	TrustDomain        string
	TrustDomainAliases []string
	// MeshRoots are further roots that the mesh configuration makes proxies trust, as PEM.
	MeshRoots []byte
	// ProxyMetadata is what the mesh configuration gives to every proxy.
	ProxyMetadata map[string]string
	// RootNamespace of mesh-wide configuration.
	RootNamespace string
	// Injector is what istiod tells new proxies.
	Injector Injector
	// ClusterLocalHosts are the serviceSettings hosts with clusterLocal true.
	ClusterLocalHosts []string
}

// Injector holds the values of the injector's ConfigMap that make a proxy's identity.
type Injector struct {
	Found             bool
	ClusterName       string
	Network           string
	MeshID            string
	PilotCertProvider string
	ProxyImage        string
	// CAAddress is the CA that proxies ask, empty for istiod.
	CAAddress string
}

// Gateway is an east-west gateway as its Service shows it.
type Gateway struct {
	Namespace, Name string
	// Network is its network label; empty where it has none.
	Network string
	Type    string
	// Addresses that peers can dial, from the load balancer and externalIPs.
	Addresses []string
	// Port peers dial; NodePort is that port's node port.
	Port, NodePort int32
	// HealthPort is the gateway's health port, 0 where the Service has none.
	HealthPort   int32
	Selector     map[string]string
	SourceRanges []string
	Labels       map[string]string
	Annotations  map[string]string
	// Managers are the field managers of the Service.
	Managers []string
	// Ready counts the ready endpoints behind it.
	Ready int
}

// Exposure is an Istio Gateway with an AUTO_PASSTHROUGH server.
type Exposure struct {
	Namespace, Name string
	Selector        map[string]string
	Port            int64
	Hosts           []string
	Labels          map[string]string
}

// Declared is an address of a gateway elsewhere: a Gateway of class istio-remote.
type Declared struct {
	Network, Address string
	Port             int64
}

// RemoteSecret is a credential that istiod uses for another cluster. It holds
// no secret bytes.
type RemoteSecret struct {
	Namespace, Name string
	// Keys are cluster IDs.
	Keys []RemoteKey
	// Labels and annotations of the Secret.
	Labels, Annotations map[string]string
	// Created is when it was first written.
	Created time.Time
}

// RemoteKey is one kubeconfig in a remote secret.
type RemoteKey struct {
	ClusterID string
	// Server is the API address in it.
	Server string
	// CAHash identifies the authority in it; see Facts.CAHash.
	CAHash string
	// Hash identifies the bytes without showing them.
	Hash string
	// Problem says why the kubeconfig cannot be used; empty where it can.
	Problem string
}

// ProxyIdentity is what a set of live proxies was told.
type ProxyIdentity struct {
	ClusterID, Network, MeshID string
	// Count of proxies, and one of them as "namespace/pod".
	Count   int
	Example string
	// Workloads to restart where the identity is wrong, at most ten, as "namespace/name".
	Workloads []string
}

// TrustObjects is CA material as found, public parts only.
type TrustObjects struct {
	// RootPEM is what istiod gave to workloads (ConfigMap istio-ca-root-cert).
	RootPEM []byte
	// CACerts are the certificates of Secret cacerts by file name, keys left out; nil where absent.
	CACerts map[string][]byte
	// SelfSigned is true where Secret istio-ca-secret exists, SelfSignedPEM its
	// certificate.
	SelfSigned    bool
	SelfSignedPEM []byte
	// RestartPending is true where eastwest replaced cacerts and was stopped
	// before every workload was restarted.
	RestartPending bool
}

// ControlPlane returns the istiod of a revision or tag. With an empty name it
// is the default one, else the only one; ok is false where there is none or the
// choice is ambiguous.
func (f *Facts) ControlPlane(revision string) (plane *ControlPlane, ok bool) {
	if revision == "" {
		revision = f.defaultRevision()
	} else if target, isTag := f.Tags[revision]; isTag {
		revision = target
	}
	for i := range f.ControlPlanes {
		if f.ControlPlanes[i].Revision == revision {
			return &f.ControlPlanes[i], true
		}
	}
	return nil, false
}

func (f *Facts) defaultRevision() string {
	if target, ok := f.Tags["default"]; ok {
		return target
	}
	if len(f.ControlPlanes) == 1 {
		return f.ControlPlanes[0].Revision
	}
	return "default"
}

// Revisions lists the revisions and tags that can be named, sorted.
func (f *Facts) Revisions() []string {
	var names []string
	for _, plane := range f.ControlPlanes {
		names = append(names, plane.Revision)
	}
	for tag := range f.Tags {
		names = append(names, tag)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
