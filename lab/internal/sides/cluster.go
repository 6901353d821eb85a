package sides

import "github.com/eastwest-mesh/eastwest/lab"

// Cluster is one that servers belong to, or watch.
type Cluster struct {
	// Name is that of a member; ID, Network and MeshID are what istiod calls them.
	Name, ID, Network, MeshID string
	// Kubeconfig is the path of one.
	Kubeconfig string
	// Gateway is NAMESPACE/NAME of its east-west gateway's Service; empty where clusters
	// on other networks cannot reach it.
	Gateway string
}

// Of is a cluster of the lab, with its Istio.
func Of(c *lab.Cluster) Cluster {
	spec := c.Spec.Istio
	return Cluster{
		Name: c.Name, ID: spec.ClusterID, Network: spec.Network, MeshID: spec.MeshID, Kubeconfig: c.Kubeconfig,
		Gateway: "istio-system/istio-eastwestgateway",
	}
}
