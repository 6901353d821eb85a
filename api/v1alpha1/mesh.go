package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Mesh is the mesh file: which clusters become one mesh, and how.
type Mesh struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        MeshMetadata `json:"metadata,omitempty"`
	Spec            MeshSpec     `json:"spec"`
}

// MeshMetadata names the mesh.
type MeshMetadata struct {
	// Name is the mesh ID. Empty: what the istiods of all members say.
	Name string `json:"name,omitempty"`
}

// MeshSpec is the wanted state of the mesh.
type MeshSpec struct {
	// Clusters are the members, at least two for a mesh.
	Clusters []Cluster `json:"clusters"`
	// Topology says which ordered pairs are linked: "full" (default),
	// "hub:NAME", or "pairs:A>B,C>D" where the left one consumes.
	Topology string `json:"topology,omitempty"`
	// Dataplane is what carries the traffic: "istio" where every member runs
	// istiod, "envoy" for clusters without a mesh, whose gateways the agent
	// drives. Empty: what is found. A mixture is refused.
	Dataplane string `json:"dataplane,omitempty"`
	// Agent is the discovery agent of every member.
	Agent Agent `json:"agent,omitempty"`
	// DNS says who makes the clusters' own DNS ask the agents for clusterset.local:
	// "auto" (default) writes it where that lasts, "manual" prints the steps, "off"
	// leaves it out, and the agents do not answer.
	DNS string `json:"dns,omitempty"`
	// MCS is the switch of multi-cluster Services.
	MCS MCS `json:"mcs,omitzero"`
	// IstioNamespace is the namespace of istiod, default istio-system.
	IstioNamespace string `json:"istioNamespace,omitempty"`
	// Gateway is the default for every member's gateway.
	Gateway Gateway `json:"gateway,omitempty"`
	// Expose says what peers may reach.
	Expose Expose `json:"expose,omitempty"`
	// Trust says how the members come to one root.
	Trust Trust `json:"trust,omitempty"`
	// Peers says how members read each other's API servers.
	Peers Peers `json:"peers,omitempty"`
	// Images replaces the images of probes and of verification.
	Images Images `json:"images,omitempty"`
}

// Cluster is one member.
type Cluster struct {
	// Name is ours: a DNS-1123 label, unique in the mesh. Empty: made from the context.
	Name string `json:"name,omitempty"`
	// Kubeconfig is a path; empty: what kubectl would read.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Context of that kubeconfig; empty: its current one.
	Context string `json:"context,omitempty"`
	// Network of the member's pods. Empty: what its istiod says.
	Network string `json:"network,omitempty"`
	// Revision or tag of the istiod to use. Empty: the default one, else the only one.
	Revision string `json:"revision,omitempty"`
	// Region is where the cluster is. Empty: what its nodes' labels say.
	Region string `json:"region,omitempty"`
	// Platform is the name of a preset of gateway values.
	Platform string `json:"platform,omitempty"`
	// Server is the URL under which peers reach the member's API server. Empty:
	// found out and proved from inside the peers.
	Server string `json:"server,omitempty"`
	// Gateway is laid over the mesh's gateway defaults.
	Gateway Gateway `json:"gateway,omitempty"`
}

// Gateway is the east-west gateway of a member.
type Gateway struct {
	// Namespace of the gateway, default the one of istiod.
	Namespace string `json:"namespace,omitempty"`
	// Public allows a gateway that any address may dial.
	Public *bool `json:"public,omitempty"`
	// SourceRanges are the CIDRs of the peers.
	SourceRanges []string `json:"sourceRanges,omitempty"`
	// AdvertisedAddresses are host:port pairs which peers dial instead of the
	// addresses of the gateway's Service (NAT, VIP, node port). The port
	// defaults to 15443.
	AdvertisedAddresses []string `json:"advertisedAddresses,omitempty"`
	// Values are laid over the chart's values and the preset's.
	Values map[string]any `json:"values,omitempty"`
}

// Agent is the discovery agent of every member.
type Agent struct {
	// BesideIstio runs the agent beside istiod: it holds the credentials for the
	// other members, renews them, and answers istiod in their place, so that none
	// can read Secrets. Without Istio there is an agent in any case.
	BesideIstio bool `json:"besideIstio,omitempty"`
	// Values are laid over the values of the chart eastwest-agent.
	Values map[string]any `json:"values,omitempty"`
	// Exports lists services that every member exports where it has them, beside
	// those with a ServiceExport.
	Exports []ExportRule `json:"exports,omitempty"`
}

// MCS is the switch of multi-cluster Services in every member.
type MCS struct {
	// Enabled turns them on or off. Unset: as the cluster's agent has it now, and on
	// where there is none yet.
	Enabled *bool `json:"enabled,omitempty"`
}

// Expose says which services are reachable through the gateways.
type Expose struct {
	// Hosts are host patterns, default *.local: every service.
	Hosts []string `json:"hosts,omitempty"`
}

// Trust says how the members come to one root.
type Trust struct {
	// Init makes a root and an intermediate per member where there is none in Dir.
	Init bool `json:"init,omitempty"`
	// Domain is the trust domain of clusters without a mesh, default
	// cluster.local; with Istio it is what the istiods say.
	Domain string `json:"domain,omitempty"`
	// Dir holds the CA material.
	Dir string `json:"dir,omitempty"`
	// ReplaceCA consents to replacing a CA that is in use.
	ReplaceCA bool `json:"replaceCA,omitempty"`
	// RestartWorkloads consents to restarting what holds certificates of the old CA.
	RestartWorkloads bool `json:"restartWorkloads,omitempty"`
}

// Peers says how members read each other's API servers.
type Peers struct {
	// TokenTTL bounds the tokens in remote secrets. Zero: service-account token
	// Secrets, which do not expire but can be revoked pair by pair.
	TokenTTL *metav1.Duration `json:"tokenTTL,omitempty"`
	// NoSecretRead refuses credentials that can read Secrets of a member.
	NoSecretRead bool `json:"noSecretRead,omitempty"`
	// AllowLoopbackServer accepts loopback API addresses in remote secrets.
	AllowLoopbackServer bool `json:"allowLoopbackServer,omitempty"`
	// AcceptMerge consents to sharing traffic of services that exist in several members.
	AcceptMerge bool `json:"acceptMerge,omitempty"`
	// ClusterLocal lists NAMESPACE/SERVICE pairs that stay local; * as service
	// means the namespace. Their meshConfig must say so.
	ClusterLocal []string `json:"clusterLocal,omitempty"`
}

// Images replaces the images that eastwest runs.
type Images struct {
	// Registry is put before every image that has no place of its own.
	Registry string `json:"registry,omitempty"`
	// Helloworld and Sleep are the images of verification, Probe that of
	// address probes (default: the member's own proxy image).
	Helloworld string `json:"helloworld,omitempty"`
	Sleep      string `json:"sleep,omitempty"`
	Probe      string `json:"probe,omitempty"`
	// Conformance is the image of the pods of mcs conformance.
	Conformance string `json:"conformance,omitempty"`
	// Agent is the image of eastwest-agent, Gateway that of a gateway without a
	// mesh: Envoy and the agent's binary. They have no default place.
	Agent   string `json:"agent,omitempty"`
	Gateway string `json:"gateway,omitempty"`
}
