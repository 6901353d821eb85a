package publish

import (
	"errors"
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// Set is all that the gateways of one member are to have. The order within does
// not matter.
type Set struct {
	Endpoints []*eds.Assignment
	Clusters  []*clusterv3.Cluster
	Listeners []*listenerv3.Listener
	Routes    []*routev3.RouteConfiguration
}

// check requires what a gateway could only answer by waiting: a cluster whose
// endpoints nobody publishes, or two clusters that ask for the same ones, make it
// hold back all clusters for 15 s.
func (s Set) check() error {
	published := map[string]bool{}
	for _, one := range s.Endpoints {
		published[one.Name] = true
	}
	var problems []error
	asked := map[string]string{}
	for _, cluster := range s.Clusters {
		if cluster.GetType() != clusterv3.Cluster_EDS {
			continue
		}
		name := cluster.GetEdsClusterConfig().GetServiceName()
		if name == "" {
			name = cluster.GetName()
		}
		if !published[name] {
			problems = append(problems, fmt.Errorf("cluster %q: no endpoints named %q", cluster.GetName(), name))
		}
		if other, twice := asked[name]; twice {
			problems = append(problems, fmt.Errorf("clusters %q and %q share the endpoints %q", other, cluster.GetName(), name))
		}
		asked[name] = cluster.GetName()
	}
	return errors.Join(problems...)
}

// encode makes the resources of a set, and reuses those of latest that are equal.
func (s Set) encode(latest [kinds]contents) (next [kinds]contents, err error) {
	for _, kind := range setKinds {
		next[kind] = contents{}
	}
	return next, errors.Join(
		takeEndpoints(next[endpointKind], s.Endpoints, latest[endpointKind]),
		encodeAll(next[clusterKind], clusterKind, s.Clusters, (*clusterv3.Cluster).GetName, latest[clusterKind]),
		encodeAll(next[listenerKind], listenerKind, s.Listeners, (*listenerv3.Listener).GetName, latest[listenerKind]),
		encodeAll(next[routeKind], routeKind, s.Routes, (*routev3.RouteConfiguration).GetName, latest[routeKind]),
	)
}

// changes are names whose content differs, in the order in which they go out.
type changes []change

type change struct {
	kind     kind
	name     string
	resource *resource // nil where it is gone
}

// upsert adds what is new or different in next.
func (c *changes) upsert(kind kind, latest, next contents) {
	for name, one := range next {
		if latest[name] != one {
			*c = append(*c, change{kind, name, one})
		}
	}
}

// replace is upsert, and takes away what next does not have.
func (c *changes) replace(kind kind, latest, next contents) {
	c.upsert(kind, latest, next)
	for name := range latest {
		if next[name] == nil {
			*c = append(*c, change{kind, name, nil})
		}
	}
}
