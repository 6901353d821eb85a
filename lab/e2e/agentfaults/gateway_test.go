//go:build e2e

package agentfaults

import (
	"crypto/tls"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// streamLife is longer than any test.
const streamLife = time.Hour

// gateway is the own member's, as far as it listens to its agent: it asks as Envoy
// does, and keeps all it was told.
type gateway struct {
	stream *xdsclient.Stream

	mu sync.Mutex
	// told counts what came since the stream began.
	told told
	// services are the names of assignments by the names of their clusters.
	services    map[string]string
	assignments map[string]*endpointv3.ClusterLoadAssignment
	// least is the least weight that each member had in a service since it was set.
	least map[string]int
	// barriers are names that do not exist and were asked for, by their number; passed
	// is the last one that was answered.
	barriers, passed int
	err              error
}

// told is what a gateway was told: responses, and what was in them.
type told struct{ responses, resources, removed int }

// share is what a member has of a service.
type share struct {
	// weight stands for its endpoints, priority 0 is who is used first.
	weight, priority int
}

// connect opens a stream that ends with the test. Versions are what an earlier stream
// had; nil: nothing.
func (a *agent) connect(t *testing.T, earlier *gateway) *gateway {
	t.Helper()
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*root(t).Leaf(t, identity(own.name)).TLS()},
		// The agent's name is its SPIFFE ID, which crypto/tls does not compare.
		InsecureSkipVerify: true,
	}
	node := &corev3.Node{Id: "gateway-0", Cluster: own.name}
	g := &gateway{
		stream:   xdsclient.OpenFor(t, xdsclient.Dial(t, a.xds, config), node, streamLife),
		services: map[string]string{}, assignments: map[string]*endpointv3.ClusterLoadAssignment{}, least: map[string]int{},
	}
	if earlier == nil {
		g.stream.Subscribe(xdsclient.Clusters)
		g.stream.Subscribe(xdsclient.Listeners)
	} else {
		earlier.stream.Close()
		earlier.resumeAs(g)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.listen()
	}()
	t.Cleanup(func() {
		g.stream.Close()
		<-done
	})
	return g
}

// resumeAs has another stream say what this one had, as Envoy does after a break.
func (g *gateway) resumeAs(other *gateway) {
	g.mu.Lock()
	defer g.mu.Unlock()
	other.services, other.assignments = maps.Clone(g.services), maps.Clone(g.assignments)
	names := make([]string, 0, len(g.services))
	for _, name := range g.services {
		names = append(names, name)
	}
	other.stream.Resume(xdsclient.Clusters, g.stream)
	other.stream.Resume(xdsclient.Endpoints, g.stream, names...)
	other.stream.Resume(xdsclient.Listeners, g.stream)
}

func (g *gateway) listen() {
	for {
		response, err := g.stream.Receive()
		g.mu.Lock()
		if err == nil {
			err = g.takeLocked(response)
		}
		g.err = err
		g.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (g *gateway) takeLocked(response *discoveryv3.DeltaDiscoveryResponse) error {
	if response.GetTypeUrl() == xdsclient.Secrets {
		g.stream.Ack(response)
		if removed := response.GetRemovedResources(); len(removed) == 1 {
			g.passed, _ = strconv.Atoi(removed[0])
		}
		return nil
	}
	g.told.responses++
	g.told.resources += len(response.GetResources())
	g.told.removed += len(response.GetRemovedResources())
	var more []string
	for _, one := range response.GetResources() {
		switch response.GetTypeUrl() {
		case xdsclient.Clusters:
			cluster := &clusterv3.Cluster{}
			if err := one.GetResource().UnmarshalTo(cluster); err != nil {
				return err
			}
			if name := cluster.GetEdsClusterConfig().GetServiceName(); name != "" && g.services[cluster.GetName()] != name {
				g.services[cluster.GetName()] = name
				more = append(more, name)
			}
		case xdsclient.Endpoints:
			assignment := &endpointv3.ClusterLoadAssignment{}
			if err := one.GetResource().UnmarshalTo(assignment); err != nil {
				return err
			}
			g.assignments[one.GetName()] = assignment
			g.noteLocked()
		}
	}
	for _, name := range response.GetRemovedResources() {
		if response.GetTypeUrl() == xdsclient.Clusters {
			delete(g.services, name)
		}
		delete(g.assignments, name)
	}
	g.stream.Ack(response)
	if len(more) > 0 {
		g.stream.Subscribe(xdsclient.Endpoints, more...)
	}
	return nil
}

// noteLocked keeps the least that members had.
func (g *gateway) noteLocked() {
	for key, least := range g.least {
		service, member, _ := strings.Cut(key, " ")
		g.least[key] = min(least, g.shareLocked(service, member).weight)
	}
}

func (g *gateway) shareLocked(service, member string) share {
	var out share
	for _, locality := range g.assignments[g.services["egress|80|"+service]].GetEndpoints() {
		if locality.GetLocality().GetSubZone() != member {
			continue
		}
		out.priority = int(locality.GetPriority())
		for _, one := range locality.GetLbEndpoints() {
			out.weight += int(max(one.GetLoadBalancingWeight().GetValue(), 1))
		}
	}
	return out
}
