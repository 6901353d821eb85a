// Package translate turns the view into what the Envoy gateway of one member
// needs. It owns every fact about Envoy's configuration: names, TLS, chains,
// clusters, weights and priorities. It stands on the data path between merge and
// publish and is pure: no lock, clock, logger, context or I/O; equal inputs give
// equal bytes. It must not know how views are made, nor how resources are sent.
//
// What a gateway needs comes in three parts, so that the cost of a change follows
// the change: Service for each service, Inbound and Peers for what all of them
// share. Each of them depends on nothing but its arguments:
//
//   - Service on the service, on all members of the view, and on the options of
//     that service;
//   - Inbound on the members, on the options Clients and Roots, and on the services
//     that Clients names;
//   - Peers on the members.
package translate

import (
	"cmp"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// Set is a set of resources. Every cluster has an assignment, if only an empty
// one: Envoy waits for those that nobody sends. Publish assignments, then clusters,
// then listeners; take away in reverse.
type Set struct {
	Clusters  []*clusterv3.Cluster
	Endpoints []*eds.Assignment
	Listeners []*listenerv3.Listener
	// Secrets are those that hold nothing private: who may enter. Publish them before
	// listeners.
	Secrets  []*tlsv3.Secret
	Problems []Problem
	// parts are those of each assignment of a service.
	parts [][]part
}

// Gateway is everything the gateway of a member needs, each kind ordered by name.
func Gateway(view *model.View, from model.Vantage, options Options) Set {
	all := Inbound(view, from, options)
	all.add(Peers(view, from, options))
	for service := range view.Services.All() {
		all.add(Service(view, service, from, options))
	}
	slices.SortFunc(all.Clusters, func(a, b *clusterv3.Cluster) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(all.Endpoints, func(a, b *eds.Assignment) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(all.Listeners, func(a, b *listenerv3.Listener) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(all.Secrets, func(a, b *tlsv3.Secret) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(all.Problems, Problem.compare)
	return all
}

func (s *Set) add(other Set) {
	s.Clusters = append(s.Clusters, other.Clusters...)
	s.Endpoints = append(s.Endpoints, other.Endpoints...)
	s.Listeners = append(s.Listeners, other.Listeners...)
	s.Secrets = append(s.Secrets, other.Secrets...)
	s.Problems = append(s.Problems, other.Problems...)
}

// addCluster adds a cluster with its endpoints.
func (s *Set) addCluster(cluster *clusterv3.Cluster, shares []share) {
	s.addAssigned(assign(s.addNamed(cluster), shares, checked(cluster), assigned{}))
}

// addNamed adds a cluster, and names its assignment after its content.
func (s *Set) addNamed(cluster *clusterv3.Cluster) string {
	cluster.EdsClusterConfig.ServiceName = cluster.Name + "@" + contentHash(cluster)
	s.Clusters = append(s.Clusters, cluster)
	return cluster.EdsClusterConfig.ServiceName
}

func (s *Set) addAssigned(one assigned) {
	s.Endpoints, s.parts = append(s.Endpoints, one.Assignment), append(s.parts, one.parts)
}

// checked reports whether a cluster's endpoints are.
func checked(cluster *clusterv3.Cluster) bool { return len(cluster.HealthChecks) > 0 }
