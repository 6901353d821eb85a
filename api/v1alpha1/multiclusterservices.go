package v1alpha1

// API groups of the dialects in which Services are exported and imported.
const (
	// MCSUpstream is the API of SIG Multicluster (KEP-1645).
	MCSUpstream = "multicluster.x-k8s.io"
	// MCSGKE is the API of GKE's multi-cluster Services.
	MCSGKE = "net.gke.io"
)

// AgentMCS is whether, and in which dialects, a cluster takes part in multi-cluster
// Services.
type AgentMCS struct {
	// Enabled is whether it does, default true. Where it is false no ServiceExport
	// counts here, no ServiceImport is written, and no name is answered.
	Enabled *bool `json:"enabled,omitempty"`
	// Foreign are dialects that another controller owns in this cluster: the agent
	// writes nothing in them.
	Foreign []ForeignDialect `json:"foreign,omitempty"`
}

// On reports whether the cluster takes part.
func (m *AgentMCS) On() bool { return m.Enabled == nil || *m.Enabled }

// ForeignDialect is a dialect that is not ours to write in a cluster.
type ForeignDialect struct {
	// Group is its API group, multicluster.x-k8s.io or net.gke.io.
	Group string `json:"group"`
	// Owner is who owns it, by name.
	Owner string `json:"owner"`
}
