package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AgentNamespace is the namespace of the agent, of the records of members, and of
// the accounts of their readers.
const AgentNamespace = "eastwest-system"

// Endings of the keys of a member, or names of its files: what is known of it, and
// how to read it.
const (
	RecordSuffix     = ".member.yaml"
	KubeconfigSuffix = ".kubeconfig"
	// GatewaysSuffix is a third one, beside Istio: the objects, as a JSON list, by
	// which the consumer's istiod knows the member's advertised addresses. The agent
	// restores them.
	GatewaysSuffix = ".gateways.json"
)

// MemberSecret is the name of the Secret with the record of one member, as the
// installer writes it.
func MemberSecret(member string) string { return "member-" + member }

// ProbePort is where the agent of a member answers link probes beside Istio.
const ProbePort = 15018

// ProbeService is the name of the Service through which the agents of other
// members probe the link to a member. Each member has one of its own: services of
// one name are merged by istiod, and where members share a network a gateway would
// lead to any of them.
func ProbeService(member string) string {
	const prefix, most = "eastwest-probe-", 63
	if len(prefix)+len(member) <= most {
		return prefix + member
	}
	digest := sha256.Sum256([]byte(member))
	return prefix + hex.EncodeToString(digest[:])[:most-len(prefix)]
}

// What joins the objects of one mesh in a cluster.
const (
	// LabelProducer names, on the Secrets of a link, the member that is read.
	LabelProducer = "eastwest.dev/producer"
	// AnnotationFacade marks remote secrets that lead to the cluster's own agent.
	AnnotationFacade = "eastwest.dev/facade"
	// LabelMember marks the Secrets in eastwest-system that hold records of members.
	LabelMember = "eastwest.dev/member"
	// LabelDerived marks the Services and EndpointSlices that the agent made from
	// imports. They are never exported again.
	LabelDerived = "eastwest.dev/derived"
	// AnnotationService names, on a derived Service, the service it stands for.
	AnnotationService = "eastwest.dev/service"
	// AnnotationPrefer says, on a ServiceExport, which members' endpoints are used
	// first.
	AnnotationPrefer = "eastwest.dev/prefer"
	// AnnotationWeight says, on a ServiceExport, how much each endpoint of the exporting
	// member counts beside those of others, which have 1: 0 to 4294967295.
	AnnotationWeight = "eastwest.dev/weight"
	// AnnotationIncumbent records, on a ServiceExport, the member whose values hold
	// where exporters differ.
	AnnotationIncumbent = "eastwest.dev/incumbent"
	// AnnotationOff marks, with the value true, the ServiceExports of a cluster that
	// takes no part in multi-cluster Services: they count for nobody.
	AnnotationOff = "eastwest.dev/off"
	// ManagedByAgent is the value of endpointslice.kubernetes.io/managed-by on
	// slices that the agent wrote.
	ManagedByAgent = "eastwest-agent.eastwest.dev"
)

// MemberRecord is what a consumer knows of a producer before it asks it: who it
// is, and what it may bring. Beside it is the kubeconfig; both are written by
// whoever joins the two, never by the producer.
type MemberRecord struct {
	metav1.TypeMeta `json:",inline"`
	// Name is ours: a DNS-1123 label, unique in the mesh.
	Name string `json:"name"`
	// ClusterID is what the cluster's istiod says; empty: the name.
	ClusterID string `json:"clusterID,omitempty"`
	// Network of the member's pods.
	Network string `json:"network"`
	// Region is where the member is; empty where nobody said.
	Region string `json:"region,omitempty"`
	// UID of the member's namespace kube-system. Another one quarantines the
	// member. Empty: the first one seen is pinned.
	UID string `json:"uid,omitempty"`
	// Identity is the SPIFFE ID of the member's gateways.
	Identity string `json:"identity,omitempty"`
	// GatewayService is the Service of the member's gateway, NAMESPACE/NAME, default
	// eastwest-system/eastwest-gateway.
	GatewayService string `json:"gatewayService,omitempty"`
	// Probe is how the agent of a member beside Istio answers through its gateway.
	// Empty: no more than TCP is tried.
	Probe MemberProbe `json:"probe,omitzero"`
	// Advertised are host:port pairs which members of other networks dial. Empty:
	// what the member's gateway Service says.
	Advertised []string `json:"advertised,omitempty"`
	// PodCIDRs are where the member's endpoints are; any other address is dropped.
	// Empty: not declared.
	PodCIDRs []string `json:"podCIDRs,omitempty"`
	// GatewayCIDRs are where the member's gateway is, by an address or by what its
	// DNS name stands for; with any other address it gets no traffic from other
	// networks, and no member that declares none gets any with one of these. Empty: not
	// declared.
	GatewayCIDRs []string `json:"gatewayCIDRs,omitempty"`
	// Namespaces says whose exports are taken.
	Namespaces NamespaceRules `json:"namespaces,omitempty"`
	// Role is "both" (default), "export", or "import": such a member offers nothing.
	Role string `json:"role,omitempty"`
}

// MemberProbe is how the link to a member beside Istio is probed.
type MemberProbe struct {
	// ServerName leads the member's gateway to its agent.
	ServerName string `json:"serverName,omitempty"`
	// Identity is the SPIFFE ID that the agent proves.
	Identity string `json:"identity,omitempty"`
}

// NamespaceRules says of which namespaces exports are taken. Never taken are
// kube-*, istio-system and eastwest-system, unless allow has the very name, and
// the service default/kubernetes.
type NamespaceRules struct {
	// Allow lists names, or beginnings of names followed by *. Empty: all.
	Allow []string `json:"allow,omitempty"`
	// Deny lists names, or beginnings of names followed by *. It wins over allow.
	Deny []string `json:"deny,omitempty"`
}
