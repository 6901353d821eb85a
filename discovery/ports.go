package discovery

import (
	"github.com/eastwest-mesh/eastwest/discovery/derived"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
)

// ports carries what derived Services say to translate.
type ports struct {
	cluster *derived.Cluster
	changed <-chan struct{}
}

func newPorts(cluster *derived.Cluster) *ports {
	return &ports{cluster: cluster, changed: cluster.Changed()}
}

func (p *ports) Changed() <-chan struct{} { return p.changed }

func (p *ports) Ports() (map[translate.PortKey]uint16, bool) {
	seen, known := p.cluster.Ports()
	if !known {
		return nil, false
	}
	out := make(map[translate.PortKey]uint16, len(seen))
	for key, port := range seen {
		out[translate.PortKey{Service: key.Service, Number: key.Number}] = port
	}
	return out, true
}
