// Package plan fixes every name and address of a lab: bridge, namespaces,
// networks, files. It is pure: the same lab name, subnet and cluster index
// give the same plan on every run, so that a lab can be found and taken down
// with no state file left.
package plan

import (
	"fmt"
	"path/filepath"
	"regexp"
)

const (
	// DefaultName is the name of the lab that a person brings up.
	DefaultName = "lab"
	// MaxClusters is the most clusters one lab has: its addresses hold one digit.
	MaxClusters = 9
	// MaxSubnet is the highest third byte of a bridge network, 172.30.X.0/24.
	MaxSubnet = 255

	// StateRoot holds one directory per lab.
	StateRoot = "/var/lib/eastwest-lab"
	// RunRoot is where sockets, pid files and pod runtime state live.
	RunRoot = "/run"
)

var validName = regexp.MustCompile(`^[a-z][a-z0-9]{0,5}$`)

// Lab is the plan of one lab.
type Lab struct {
	// Name is unique on the host: 1 to 6 lower-case letters and digits.
	Name string
	// Subnet is the third byte of the bridge network.
	Subnet int
	// SameCIDRs gives every cluster the pod and service networks of the first.
	SameCIDRs bool
	// Flat routes the pod networks between the clusters.
	Flat bool
}

// CheckName says whether a lab may have this name.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("lab name %q: want 1 to 6 lower-case letters and digits, a letter first", name)
	}
	return nil
}

// prefix keeps the names of other labs apart from those of the default one.
func (l Lab) prefix() string {
	if l.Name == DefaultName {
		return ""
	}
	return l.Name + "-"
}

// Bridge is the network device all clusters of the lab hang on.
func (l Lab) Bridge() string { return "br-" + l.Name }

// BridgeIP is the host's own address on the bridge.
func (l Lab) BridgeIP() string { return fmt.Sprintf("172.30.%d.1", l.Subnet) }

// BridgeCIDR is the network of node and load-balancer addresses.
func (l Lab) BridgeCIDR() string { return fmt.Sprintf("172.30.%d.0/24", l.Subnet) }

// Dir holds the lab's state on disk.
func (l Lab) Dir() string { return filepath.Join(StateRoot, l.Name) }

// Cluster is the plan of the cluster with this index, counted from 1.
func (l Lab) Cluster(index int) Cluster { return Cluster{Lab: l, Index: index} }

// All is every cluster the lab could have, present or not.
func (l Lab) All() []Cluster {
	all := make([]Cluster, 0, MaxClusters)
	for i := 1; i <= MaxClusters; i++ {
		all = append(all, l.Cluster(i))
	}
	return all
}

// KubeletFixedDirs are directories whose names the kubelet does not let anybody
// choose. Each cluster has its own behind them.
func KubeletFixedDirs() []string { return []string{"/var/lib/kubelet", "/var/log/containers"} }
