package discovery

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// pipes is a listener in memory.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.accepted <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// gateway is the gateway of the own cluster that a replica serves: it does with what it
// is told as Envoy does, and keeps it while it is not connected.
type gateway struct {
	world   *world
	replica *replica
	done    sync.WaitGroup

	// mu guards what follows.
	mu        sync.Mutex
	conn      *grpc.ClientConn
	stream    *xdsclient.Stream
	resources map[string]map[string]*discoveryv3.Resource // by type and name
	wanted    map[string]bool                             // names of endpoints
	// asked counts, by name, how often endpoints were asked for and have not come: they
	// come for each time, also where nothing differs.
	asked map[string]int
	// newest is, for this stream, the generation of every slice that was seen last.
	newest map[slot]int
	// guarded are endpoints that must stay, by their cluster.
	guarded map[string][]host
	// received counts resources of this stream, removals those taken away.
	received, removals int
}

func newGateway(w *world, r *replica) *gateway {
	g := &gateway{world: w, replica: r, resources: map[string]map[string]*discoveryv3.Resource{}, wanted: map[string]bool{}}
	for _, kind := range []string{xdsclient.Clusters, xdsclient.Listeners, xdsclient.Endpoints} {
		g.resources[kind] = map[string]*discoveryv3.Resource{}
	}
	g.connect()
	return g
}

// connect begins a stream, and says what is there from before.
func (g *gateway) connect() {
	const lifetime = 10_000 * time.Hour // longer than any history
	client := g.world.ca.Leaf(g.world, gatewayIdentity(ownName))
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*client.TLS()},
		InsecureSkipVerify: true, //nolint:gosec // identities are the business of discovery/publish
	}
	pool := x509.NewCertPool()
	pool.AddCert(g.world.ca.Cert)
	listener := g.replica.listener
	g.conn = xdsclient.Dial(g.world, "agent", config, grpc.WithContextDialer(listener.dial))
	stream := xdsclient.OpenFor(g.world, g.conn, &corev3.Node{Id: "gateway-" + g.replica.pod, Cluster: string(ownName)}, lifetime)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stream, g.newest, g.asked, g.received, g.removals = stream, map[slot]int{}, map[string]int{}, 0, 0
	for _, kind := range []string{xdsclient.Clusters, xdsclient.Listeners} {
		stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: kind, InitialResourceVersions: g.versionsLocked(kind)})
	}
	// Secrets are taken and not kept: what of them can be seen elsewhere is judged there.
	stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xdsclient.Secrets, ResourceNamesSubscribe: []string{publish.OwnSecret, publish.RootsSecret}})
	if len(g.wanted) > 0 {
		stream.Send(&discoveryv3.DeltaDiscoveryRequest{
			TypeUrl: xdsclient.Endpoints, ResourceNamesSubscribe: sortedKeys(g.wanted), InitialResourceVersions: g.versionsLocked(xdsclient.Endpoints),
		})
	}
	g.done.Go(func() {
		for {
			response, err := stream.Receive()
			if err != nil {
				return
			}
			g.take(stream, response)
		}
	})
}

func (g *gateway) versionsLocked(kind string) map[string]string {
	versions := map[string]string{}
	for name, one := range g.resources[kind] {
		versions[name] = one.GetVersion()
	}
	return versions
}

// close drops the connection and keeps what was told.
func (g *gateway) close() {
	g.stream.Close()
	_ = g.conn.Close()
	g.done.Wait()
}

func (g *gateway) reconnect() {
	g.close()
	g.connect()
}

// take is I3 and that nothing is sent twice, and follows clusters with their endpoints.
func (g *gateway) take(stream *xdsclient.Stream, response *discoveryv3.DeltaDiscoveryResponse) {
	g.mu.Lock()
	defer g.mu.Unlock()
	kind := response.GetTypeUrl()
	if kind == xdsclient.Secrets {
		stream.Ack(response)
		return
	}
	for _, one := range response.GetResources() {
		before := g.resources[kind][one.GetName()]
		if g.asked[one.GetName()] > 0 && kind == xdsclient.Endpoints {
			g.asked[one.GetName()]--
		} else if before != nil && before.GetVersion() == one.GetVersion() {
			g.world.violate("I3: %s %q is sent again with version %s", kind, one.GetName(), one.GetVersion())
		}
		g.resources[kind][one.GetName()] = one
		g.received++
		if kind == xdsclient.Endpoints {
			g.checkOrderLocked(one)
		}
	}
	for _, name := range response.GetRemovedResources() {
		delete(g.resources[kind], name)
		g.removals++
	}
	stream.Ack(response)
	if kind == xdsclient.Clusters {
		g.followLocked(stream)
	}
}

// checkOrderLocked wants no slice of before. Every change of a slice brings addresses
// that were never there before, so that a later one is known by them.
func (g *gateway) checkOrderLocked(one *discoveryv3.Resource) {
	hosts := hostsOf(g.world, one)
	if cluster, _, _ := strings.Cut(one.GetName(), "@"); g.guarded != nil {
		g.checkGuardedLocked(cluster, hosts)
	}
	for _, host := range hosts {
		from, known := g.world.originOf(host.address)
		if !known {
			continue
		}
		if newest := g.newest[from.slot]; from.generation < newest {
			g.world.violate("I3: %s is of generation %d, after %d", host.address, from.generation, newest)
		}
		g.newest[from.slot] = from.generation
	}
}

// followLocked asks for the endpoints of all clusters, and gives back those of others.
func (g *gateway) followLocked(stream *xdsclient.Stream) {
	wanted := map[string]bool{}
	for _, one := range g.resources[xdsclient.Clusters] {
		cluster := &clusterv3.Cluster{}
		if err := one.GetResource().UnmarshalTo(cluster); err != nil {
			g.world.violate("a cluster cannot be read: %v", err)
			continue
		}
		if name := cluster.GetEdsClusterConfig().GetServiceName(); name != "" {
			wanted[name] = true
		}
	}
	request := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: xdsclient.Endpoints}
	for _, name := range sortedKeys(wanted) {
		if !g.wanted[name] {
			g.asked[name]++
			request.ResourceNamesSubscribe = append(request.ResourceNamesSubscribe, name)
		}
	}
	for _, name := range sortedKeys(g.wanted) {
		if !wanted[name] {
			request.ResourceNamesUnsubscribe = append(request.ResourceNamesUnsubscribe, name)
			delete(g.resources[xdsclient.Endpoints], name)
		}
	}
	g.wanted = wanted
	if len(request.ResourceNamesSubscribe)+len(request.ResourceNamesUnsubscribe) > 0 {
		stream.Send(request)
	}
}

// host is an endpoint as a gateway has it.
type host struct {
	member, address  string
	weight, priority uint32
}

// serves are the endpoints of the gateway's clusters, by the cluster.
func (g *gateway) serves() map[string][]host {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string][]host{}
	for name := range g.wanted {
		cluster, _, _ := strings.Cut(name, "@")
		out[cluster] = []host{}
		if one := g.resources[xdsclient.Endpoints][name]; one != nil {
			out[cluster] = hostsOf(g.world, one)
		}
	}
	return out
}

func hostsOf(w *world, from *discoveryv3.Resource) []host {
	load := &endpointv3.ClusterLoadAssignment{}
	if err := proto.Unmarshal(from.GetResource().GetValue(), load); err != nil {
		w.violate("endpoints cannot be read: %v", err)
	}
	hosts := []host{}
	for _, locality := range load.GetEndpoints() {
		for _, one := range locality.GetLbEndpoints() {
			socket := one.GetEndpoint().GetAddress().GetSocketAddress()
			hosts = append(hosts, host{
				member: locality.GetLocality().GetSubZone(), address: fmt.Sprintf("%s:%d", socket.GetAddress(), socket.GetPortValue()),
				weight: max(one.GetLoadBalancingWeight().GetValue(), 1), priority: locality.GetPriority(),
			})
		}
	}
	slices.SortFunc(hosts, func(a, b host) int { return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.address, b.address)) })
	return hosts
}

// counted is how much the stream brought.
func (g *gateway) counted() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.received + g.removals
}
