// Package v1alpha1 holds the versioned types of group eastwest.dev: the mesh
// file that the command line reads, and the files that the agent reads. Types
// only: defaults and rules are applied by those who read them.
package v1alpha1

// APIVersion and the kinds of this package.
const (
	APIVersion       = "eastwest.dev/v1alpha1"
	KindMesh         = "Mesh"
	KindAgentConfig  = "AgentConfig"
	KindMemberRecord = "MemberRecord"
)
