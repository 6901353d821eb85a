package sides

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// streamLife is longer than any suite: a proxy keeps its stream, so that what it
// knows was told to it change by change.
const streamLife = time.Hour

// Assignment is what a proxy was last told of a cluster's endpoints.
type Assignment struct {
	Load *endpointv3.ClusterLoadAssignment
	// Seen is when it was decoded.
	Seen time.Time
}

// Proxy asks for clusters and for their endpoints in the way of Envoy: endpoints of
// a cluster are asked for once it is there, and given back when it is gone.
type Proxy struct {
	stream *xdsclient.Stream
	// leads says to which port a cluster leads. Where several lead to one, that of the
	// highest rank counts. Endpoints of those that lead to none are not asked for.
	leads func(cluster string) (port Port, rank int, leads bool)

	mu sync.Mutex
	// changed is closed, and made anew, with every response.
	changed chan struct{}
	// serviceNames are the names of assignments by the names of clusters.
	serviceNames map[string]string
	assignments  map[string]Assignment
	// ports are what assignments are for, and watch is told of each.
	ports map[string]Port
	watch func(Port, Assignment)
	// received counts bytes of endpoints.
	received int
	err      error
}

// connect opens a stream and keeps what it says. It ends with the test.
func connect(t testing.TB, conn *grpc.ClientConn, node *corev3.Node, leads func(string) (Port, int, bool)) *Proxy {
	t.Helper()
	p := &Proxy{
		stream: xdsclient.OpenFor(t, conn, node, streamLife), leads: leads, changed: make(chan struct{}),
		serviceNames: map[string]string{}, assignments: map[string]Assignment{}, ports: map[string]Port{},
	}
	p.stream.Subscribe(xdsclient.Clusters)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run()
	}()
	t.Cleanup(func() {
		p.stream.Close()
		<-done
	})
	return p
}

// run reads until the stream ends.
func (p *Proxy) run() {
	for {
		response, err := p.stream.Receive()
		seen := time.Now()
		p.mu.Lock()
		if err == nil {
			err = p.takeLocked(response, seen)
		}
		p.err = err
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// takeLocked keeps what a response says, and acknowledges it.
func (p *Proxy) takeLocked(response *discoveryv3.DeltaDiscoveryResponse, seen time.Time) error {
	if response.GetTypeUrl() == xdsclient.Endpoints {
		p.received += proto.Size(response)
	}
	var more, less []string
	for _, one := range response.GetResources() {
		message, err := one.GetResource().UnmarshalNew()
		if err != nil {
			return fmt.Errorf("decode %s %s: %w", response.GetTypeUrl(), one.GetName(), err)
		}
		switch message := message.(type) {
		case *clusterv3.Cluster:
			before := p.serviceNames[message.GetName()]
			if after := p.keepLocked(message); after != before {
				more, less = appendName(more, after), appendName(less, before)
			}
		case *endpointv3.ClusterLoadAssignment:
			p.assignments[one.GetName()] = Assignment{Load: message, Seen: seen}
			if p.watch != nil {
				p.watch(p.ports[one.GetName()], p.assignments[one.GetName()])
			}
		}
	}
	for _, name := range response.GetRemovedResources() {
		if response.GetTypeUrl() == xdsclient.Clusters {
			less = appendName(less, p.serviceNames[name])
			delete(p.serviceNames, name)
		} else {
			delete(p.assignments, name)
		}
	}
	p.stream.Ack(response)
	for _, name := range less {
		delete(p.assignments, name)
	}
	if len(more)+len(less) > 0 {
		p.stream.Send(&discoveryv3.DeltaDiscoveryRequest{
			TypeUrl: xdsclient.Endpoints, ResourceNamesSubscribe: more, ResourceNamesUnsubscribe: less,
		})
	}
	return nil
}

// keepLocked returns the name of a cluster's assignment, empty where nobody wants it.
func (p *Proxy) keepLocked(cluster *clusterv3.Cluster) string {
	port, _, leads := p.leads(cluster.GetName())
	if !leads || cluster.GetType() != clusterv3.Cluster_EDS {
		delete(p.serviceNames, cluster.GetName())
		return ""
	}
	name := cluster.GetEdsClusterConfig().GetServiceName()
	if name == "" {
		name = cluster.GetName()
	}
	p.serviceNames[cluster.GetName()], p.ports[name] = name, port
	return name
}

func appendName(names []string, name string) []string {
	if name == "" || slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// Names are what the endpoints of ports are asked for by.
func (p *Proxy) Names() map[Port]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, ranks := map[Port]string{}, map[Port]int{}
	for cluster, name := range p.serviceNames {
		if port, rank, _ := p.leads(cluster); rank >= ranks[port] {
			all[port], ranks[port] = name, rank
		}
	}
	return all
}

// Watch has a function be told of all assignments from now on, one after the other; nil:
// of none. It must not call the proxy.
func (p *Proxy) Watch(watch func(Port, Assignment)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = watch
}

// Received is how many bytes of endpoints the proxy has been sent, before they were
// encrypted.
func (p *Proxy) Received() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.received
}

// Changed is closed when the proxy has been told more.
func (p *Proxy) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Assignments are what is known of the ports; a port whose endpoints have not come
// yet is not among them. The error is the stream's.
func (p *Proxy) Assignments() (map[Port]Assignment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, ranks := map[Port]Assignment{}, map[Port]int{}
	for cluster, name := range p.serviceNames {
		port, rank, _ := p.leads(cluster)
		if assignment, told := p.assignments[name]; told && rank >= ranks[port] {
			all[port], ranks[port] = assignment, rank
		}
	}
	return all, p.err
}
