package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MemberCluster shows, in each cluster, one member of its mesh as the agent there
// sees it. It is cluster-scoped and named like the member. Nobody but the agent
// writes it.
type MemberCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              MemberClusterSpec   `json:"spec,omitempty"`
	Status            MemberClusterStatus `json:"status,omitempty"`
}

// MemberClusterSpec is what the member's record says.
type MemberClusterSpec struct {
	// ClusterID is what the cluster's istiod says; without istiod the name.
	ClusterID string `json:"clusterID,omitempty"`
	// Network of the member's pods.
	Network string `json:"network,omitempty"`
	// Region is where the member is; empty where nobody said.
	Region string `json:"region,omitempty"`
}

// MemberClusterStatus is what the agent sees.
type MemberClusterStatus struct {
	// State is joining, ready, degraded, stale, leaving or quarantined.
	State string `json:"state,omitempty"`
	// Code is OK, WARNING, FAILED or ERROR, Description why.
	Code        string `json:"code,omitempty"`
	Description string `json:"description,omitempty"`
	// Services and Endpoints count what the member offers.
	Services  int64 `json:"services"`
	Endpoints int64 `json:"endpoints"`
	// Gateways are the addresses that peers dial.
	Gateways []string `json:"gateways,omitempty"`
	// Link is what connecting to the gateways found out; absent for members of the
	// same network.
	Link *MemberLink `json:"link,omitempty"`
	// MultiClusterServices is how the member stands in multi-cluster Services, in the
	// words of GKE's feature state.
	MultiClusterServices *MemberServices `json:"multiClusterServices,omitempty"`
	// LastEvent is when the member last said anything.
	LastEvent *metav1.Time `json:"lastEvent,omitempty"`
	// CredentialExpiry is when the agent's credential for the member ends.
	CredentialExpiry *metav1.Time `json:"credentialExpiry,omitempty"`
	// Conditions are Ready, and Reachable for the gateways.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MemberServices is how a member stands in multi-cluster Services.
type MemberServices struct {
	// Code is OK, WARNING, FAILED or ERROR, Description why: it begins with the words
	// that GKE has for that state.
	Code        string `json:"code"`
	Description string `json:"description"`
	// UpdateTime is when code or description last changed.
	UpdateTime metav1.Time `json:"updateTime"`
	// Warnings name exports that are larger than is good, or in namespaces that
	// clusters have for other purposes. They are served all the same.
	Warnings []string `json:"warnings,omitempty"`
}

// MCSOff is how the description of a member begins that takes no part in
// multi-cluster Services.
const MCSOff = "Multi-cluster Services are off in this cluster"

// MemberLink is the way from the agent's cluster to a member.
type MemberLink struct {
	// Hop is the first broken one, address, tcp, tls, certificate, admission or
	// answer; where the condition Reachable is true the last that was proved.
	Hop string `json:"hop"`
	// RTTMicroseconds is about how long a question and its answer take on a
	// connection that stands; absent where no question was answered.
	RTTMicroseconds int64 `json:"rttMicroseconds,omitempty"`
}

// DescriptionFix stands in a description between what is wrong and what mends it.
const DescriptionFix = "; fix: "

// Codes of a member, as the multi-cluster services of GKE spell them.
const (
	CodeOK      = "OK"
	CodeWarning = "WARNING"
	CodeFailed  = "FAILED"
	CodeError   = "ERROR"
)
