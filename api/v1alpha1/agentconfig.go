package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AgentConfig is the file that eastwest-agent reads when it starts: who it is,
// whom it watches and what it serves.
type AgentConfig struct {
	metav1.TypeMeta `json:",inline"`
	// Member is the cluster that the agent runs in.
	Member AgentMember `json:"member"`
	// Mesh is the mesh ID.
	Mesh string `json:"mesh"`
	// TrustDomain of all identities of the mesh, default cluster.local.
	TrustDomain string `json:"trustDomain,omitempty"`
	// DataPlane is "envoy" (default) where the agent drives gateways, "none"
	// beside Istio.
	DataPlane string `json:"dataPlane,omitempty"`
	// Exports says what is exported beside ServiceExport objects.
	Exports AgentExports `json:"exports,omitempty"`
	// Admit names services of the own member that fewer than all members may call.
	Admit []AdmitRule `json:"admit,omitempty"`
	// Members says where the records of the other members are.
	Members AgentMembers `json:"members,omitempty"`
	// Locality says which members' endpoints are preferred.
	Locality AgentLocality `json:"locality,omitempty"`
	// Limits bound what one member may bring, and what the gateways do by themselves.
	Limits AgentLimits `json:"limits,omitempty"`
	// StaleAfter is how long a member may be unreachable before it is shown as
	// stale, a duration, default 15m. Its endpoints are kept.
	StaleAfter string `json:"staleAfter,omitempty"`
	// SyncDeadline is how long the start waits for members, a duration, default 10s.
	SyncDeadline string `json:"syncDeadline,omitempty"`
	// Listen are the addresses that the agent serves on.
	Listen AgentListen `json:"listen,omitempty"`
	// MCS is whether, and in which dialects, the cluster takes part in multi-cluster
	// Services.
	MCS AgentMCS `json:"mcs,omitzero"`
	// DNS answers for the names of multi-cluster services.
	DNS AgentDNS `json:"dns,omitempty"`
	// Facade answers the local istiod in the place of other members' API servers.
	Facade AgentFacade `json:"facade,omitempty"`
	// Probe lets the agents of other members prove the way here, and this one the
	// way to them, beside Istio.
	Probe AgentProbe `json:"probe,omitzero"`
	// Snapshot is where the last view outlives a restart.
	Snapshot AgentSnapshot `json:"snapshot,omitempty"`
}

// AgentMember is the agent's own cluster as a member.
type AgentMember struct {
	// Name is ours: a DNS-1123 label, unique in the mesh.
	Name string `json:"name"`
	// ClusterID is what the cluster's istiod says; empty: the name.
	ClusterID string `json:"clusterID,omitempty"`
	// Network of the member's pods.
	Network string `json:"network"`
	// Region is where the member is; empty where nobody said.
	Region string `json:"region,omitempty"`
}

// AgentExports is the policy of exports.
type AgentExports struct {
	// Policy lists services that every member exports where it has them, with no
	// ServiceExport needed.
	Policy []ExportRule `json:"policy,omitempty"`
}

// ExportRule names services by their names.
type ExportRule struct {
	// Namespace of the services.
	Namespace string `json:"namespace"`
	// Name of the service, * for all of the namespace.
	Name string `json:"name"`
	// Prefer is which members' endpoints of it are used first, unless a ServiceExport's
	// annotation eastwest.dev/prefer says so: none, nearest, or terms in order, separated
	// by commas: own (the member that asks), region (its region), region=NAME,
	// member=NAME.
	Prefer string `json:"prefer,omitempty"`
}

// AdmitRule says who may call a service of the own member. Members are told apart
// by the identities of their gateways; there is no rule per workload.
type AdmitRule struct {
	// Namespace and Name of the service.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Members that may call it. Empty: nobody from another network.
	Members []string `json:"members,omitempty"`
}

// AgentMembers says where the records of the other members are.
type AgentMembers struct {
	// Source is "secrets" (default): Secrets with the label eastwest.dev/member=true;
	// or "folder": files of the same names.
	Source string `json:"source,omitempty"`
	// Namespace of the Secrets, default eastwest-system.
	Namespace string `json:"namespace,omitempty"`
	// Folder is the path of the files.
	Folder string `json:"folder,omitempty"`
}

// AgentLocality says which members' endpoints are preferred.
type AgentLocality struct {
	// Prefer is "none" (default): endpoints of all members are used alike, by their
	// number; or "nearest": those of the own member first, then those of members in
	// its region, then the rest, each as far as there are too few healthy ones before;
	// or terms in order, as for exports. It holds for services whose exports say
	// nothing of it.
	Prefer string `json:"prefer,omitempty"`
}

// AgentLimits bound what one member may bring, and what the gateways do by
// themselves. What is over a member's limit is dropped in the order of names and shown
// as a problem of that member.
type AgentLimits struct {
	// Services is the largest number of exported services, default 5000.
	Services *int64 `json:"services,omitempty"`
	// Endpoints is the largest number of endpoints of exported services, default 100000.
	Endpoints *int64 `json:"endpoints,omitempty"`
	// Bytes bounds what is kept of the member in memory, exported or not, default
	// 67108864 (64 MiB).
	Bytes *int64 `json:"bytes,omitempty"`
	// EventsPerSecond is how fast the member's changes are read, default 2000;
	// more wait in the member.
	EventsPerSecond *int64 `json:"eventsPerSecond,omitempty"`
	// ExportersPerService is how many members' exports of one service count, in the
	// order in which exporters have their way; unset: all do. Those that do not count
	// are told so on their ServiceExport.
	ExportersPerService *int64 `json:"exportersPerService,omitempty"`
	// PortsPerService is how many ports of one service are served, unset: all.
	PortsPerService *int64 `json:"portsPerService,omitempty"`
	// EndpointsPerService is how many endpoints of one service are used, shared out
	// evenly among its members; unset: all.
	EndpointsPerService *int64 `json:"endpointsPerService,omitempty"`
	// Checks is how many pairs of an imported port and a member on another network
	// each local gateway checks every 5 seconds up to a pod, which takes a connection
	// to the pod; default 1000, 0 for none. Those beyond are checked every 30 seconds,
	// up to the member's gateway.
	Checks *int64 `json:"checks,omitempty"`
}

// AgentDNS answers for clusterset.local.
type AgentDNS struct {
	// Listen is its address, by UDP and TCP, such as :10053. Empty: nobody is answered.
	Listen string `json:"listen,omitempty"`
	// Exempt are CIDRs of clients without limits, beside the cluster's own DNS servers:
	// those of caches that ask on behalf of many.
	Exempt []string `json:"exempt,omitempty"`
}

// AgentListen are the addresses that the agent serves on.
type AgentListen struct {
	// XDS is for gateways, over mutual TLS, default :15012.
	XDS string `json:"xds,omitempty"`
	// Admin is for people, default 127.0.0.1:15014. It must be on loopback: kubectl
	// port-forward leads there, and the API server asks who you are.
	Admin string `json:"admin,omitempty"`
	// Health is for the kubelet and for monitoring, default :15020.
	Health string `json:"health,omitempty"`
}

// AgentFacade answers the local istiod in the place of other members' API servers,
// with what istiod lists there and no Secret.
type AgentFacade struct {
	// Folder holds tls.crt, tls.key and token: what the facade proves itself with,
	// and what istiod shows. Empty: there is no facade.
	Folder string `json:"folder,omitempty"`
	// Listen is its address, default :15016.
	Listen string `json:"listen,omitempty"`
}

// AgentProbe is with what the agent probes links beside Istio, and answers those
// of other members: a certificate of the mesh that the local istiod signs.
type AgentProbe struct {
	// Authority is HOST:PORT of the local istiod. Empty: links are tried by TCP
	// alone.
	Authority string `json:"authority,omitempty"`
	// Absent says why there is no authority, for people to read.
	Absent string `json:"absent,omitempty"`
	// Token is the file with what the agent shows to istiod, default
	// /var/run/secrets/eastwest-probe/token.
	Token string `json:"token,omitempty"`
	// Root is the file with what istiod's own certificate must lead to, default
	// /etc/eastwest-mesh-root/root-cert.pem.
	Root string `json:"root,omitempty"`
	// Listen is where probes are answered, default :15018.
	Listen string `json:"listen,omitempty"`
}

// AgentSnapshot is where the last view outlives a restart.
type AgentSnapshot struct {
	// Folder is a path; empty: no snapshot is written.
	Folder string `json:"folder,omitempty"`
}
