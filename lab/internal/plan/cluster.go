package plan

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Cluster is the plan of one cluster: what it is called on the host and which
// addresses it has. Directories are methods too, so that no path is spelled
// in two places.
type Cluster struct {
	Lab   Lab
	Index int
}

// Name is the cluster's name within the lab: c1 to c9.
func (c Cluster) Name() string { return fmt.Sprintf("c%d", c.Index) }

// ID is the cluster's name on the host; cgroup and runtime directory bear it.
func (c Cluster) ID() string { return c.Lab.Name + "-" + c.Name() }

// Context is the name of kubeconfig context, cluster and user.
func (c Cluster) Context() string { return c.Lab.prefix() + c.Name() }

// Netns is the name of the cluster's network namespace.
func (c Cluster) Netns() string { return c.Lab.prefix() + c.Name() }

// NetnsPath is the file that holds the network namespace.
func (c Cluster) NetnsPath() string { return filepath.Join("/run/netns", c.Netns()) }

// Veth is the host end of the cluster's link to the bridge.
func (c Cluster) Veth() string {
	if c.Lab.Name == DefaultName {
		return "v" + c.Name()
	}
	return "v" + c.Lab.Name + c.Name()
}

// NodeName is the name of the cluster's only node.
func (c Cluster) NodeName() string { return fmt.Sprintf("node-%d", c.Index) }

// NodeIP is the node's address on the bridge.
func (c Cluster) NodeIP() string { return fmt.Sprintf("172.30.%d.%d", c.Lab.Subnet, 10+c.Index) }

// Server is the address of the API server.
func (c Cluster) Server() string { return "https://" + c.NodeIP() + ":6443" }

// Region and Zone are the node's topology labels.
func (c Cluster) Region() string { return fmt.Sprintf("region-%d", c.Index) }

// Zone is the node's zone within its region.
func (c Cluster) Zone() string { return c.Region() + "-a" }

// LBRange is the block of bridge addresses that Services of type LoadBalancer get.
func (c Cluster) LBRange() string {
	return fmt.Sprintf("172.30.%d.%d/28", c.Lab.Subnet, 16*(5+c.Index))
}

// net is the second byte's tens digit of the cluster's own networks.
func (c Cluster) net() int {
	if c.Lab.SameCIDRs {
		return 1
	}
	return c.Index
}

// ServiceCIDR is the network of cluster IPs.
func (c Cluster) ServiceCIDR() string { return fmt.Sprintf("10.%d0.0.0/16", c.net()) }

// APIServiceIP is the cluster IP of the kubernetes Service.
func (c Cluster) APIServiceIP() string { return fmt.Sprintf("10.%d0.0.1", c.net()) }

// DNSIP is the cluster IP of the cluster's DNS.
func (c Cluster) DNSIP() string { return fmt.Sprintf("10.%d0.0.10", c.net()) }

// PodCIDR is the network of all pods.
func (c Cluster) PodCIDR() string { return fmt.Sprintf("10.%d1.0.0/16", c.net()) }

// NodePodCIDR is the part of the pod network that belongs to the node.
func (c Cluster) NodePodCIDR() string { return fmt.Sprintf("10.%d1.0.0/24", c.net()) }

// Cgroup is the path of the cluster's cgroup in every hierarchy.
func (c Cluster) Cgroup() string { return "/" + c.ID() }

// SystemCgroup is where the cluster's own processes run, beside its pods.
func (c Cluster) SystemCgroup() string { return c.Cgroup() + "/system" }

// Marker is the environment variable by which processes of this cluster are
// known again when no other trace of them is left.
func (c Cluster) Marker() string { return "EASTWEST_LAB=" + c.ID() }

// Dir holds the cluster's state.
func (c Cluster) Dir() string { return filepath.Join(c.Lab.Dir(), c.Name()) }

// RunDir holds sockets, pid files and the runtime state of pods.
func (c Cluster) RunDir() string { return filepath.Join(RunRoot, c.ID()) }

// Path is a file or directory below the cluster's state.
func (c Cluster) Path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir()}, elem...)...)
}

// BehindFixed is the cluster's own directory behind one of KubeletFixedDirs.
func (c Cluster) BehindFixed(dir string) string {
	return c.Path("kubelet-fixed", strings.ReplaceAll(strings.Trim(dir, "/"), "/", "-"))
}

// Kubeconfig is the administrator's kubeconfig.
func (c Cluster) Kubeconfig() string { return c.Path("kubeconfig") }

// AuditLog is the API server's audit log.
func (c Cluster) AuditLog() string { return c.Path("audit.log") }

// Log is the log file of one component.
func (c Cluster) Log(component string) string { return c.Path("logs", component+".log") }

// PIDFile records one running component.
func (c Cluster) PIDFile(component string) string {
	return filepath.Join(c.RunDir(), component+".pid")
}

// ContainerdSocket is the socket of the cluster's container runtime.
func (c Cluster) ContainerdSocket() string { return filepath.Join(c.RunDir(), "containerd.sock") }
