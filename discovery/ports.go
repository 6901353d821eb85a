package discovery

import "github.com/eastwest-mesh/eastwest/discovery/derived"

// ports says to translate what derived Services say.
type ports struct {
	*derived.Cluster
	changed <-chan struct{}
}

func newPorts(cluster *derived.Cluster) ports { return ports{cluster, cluster.Changed()} }

// Changed is one channel, where the Cluster's makes one for everybody who asks.
func (p ports) Changed() <-chan struct{} { return p.changed }
