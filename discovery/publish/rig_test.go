package publish_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/eds"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

const (
	east, west model.MemberName = "east", "west"

	gatewayPrefix = "spiffe://cluster.local/ns/eastwest-system/sa/gateway-"
	agentID       = "spiffe://cluster.local/ns/eastwest-system/sa/agent-east"
)

// identity is that of a member's gateways.
func identity(member model.MemberName) string { return gatewayPrefix + string(member) }

// memberOf serves the gateways of east and west.
func memberOf(id string) (model.MemberName, bool) {
	member, found := strings.CutPrefix(id, gatewayPrefix)
	return model.MemberName(member), found && (member == string(east) || member == string(west))
}

// rig is a publisher that serves on a port of this host.
type rig struct {
	*publish.Publisher
	ca      *testca.Signer
	address string
	// stop ends serving and waits for its end.
	stop func()

	mu          sync.Mutex // guards what follows
	certificate *tls.Certificate
	roots       *x509.CertPool
	credentials map[string]publish.Credential
}

// start serves; change edits the options.
func start(t testing.TB, change func(*publish.Options)) *rig {
	t.Helper()
	ca := testca.Root(t)
	r := &rig{
		ca: ca, certificate: ca.Leaf(t, agentID).TLS(), roots: ca.Pool(), credentials: map[string]publish.Credential{},
	}
	for _, member := range []model.MemberName{east, west} {
		r.renew(member, "first")
	}
	options := publish.Options{
		Member: memberOf, Secrets: r,
		TLS: publish.TLS{TrustDomain: testca.TrustDomain, Certificate: r.serverCertificate, Roots: r.trusted},
	}
	if change != nil {
		change(&options)
	}
	r.Publisher = publish.New(options)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := r.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	r.stop = func() {
		cancel()
		served.Wait()
	}
	t.Cleanup(r.stop)
	return r
}

func (r *rig) serverCertificate() (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.certificate == nil {
		return nil, errors.New("no certificate")
	}
	return r.certificate, nil
}

func (r *rig) trusted() *x509.CertPool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.roots
}

// Credential implements publish.Secrets.
func (r *rig) Credential(id string) (publish.Credential, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.credentials[id]
	if !ok {
		return publish.Credential{}, errors.New("no credential")
	}
	return found, nil
}

// renew gives a member's gateways another credential, told by its generation.
func (r *rig) renew(member model.MemberName, generation string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := func(what string) []byte { return []byte(what + " " + string(member) + " " + generation) }
	r.credentials[identity(member)] = publish.Credential{Chain: text("chain"), Key: text("key"), Roots: text("roots")}
}

// dial connects with a client certificate.
func (r *rig) dial(t testing.TB, client *testca.Signer) *grpc.ClientConn {
	t.Helper()
	return xdsclient.Dial(t, r.address, clientTLS(r.ca, client))
}

// clientTLS trusts a root and looks for no host name: identities are what counts.
func clientTLS(root, client *testca.Signer) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*client.TLS()},
		InsecureSkipVerify: true, //nolint:gosec // the chain is verified below
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: root.Pool()})
			return err
		},
	}
}

// connect opens a stream as a gateway of a member.
func (r *rig) connect(t testing.TB, member model.MemberName) *xdsclient.Stream {
	t.Helper()
	return xdsclient.Open(t, r.dial(t, r.ca.Leaf(t, identity(member))), node(member))
}

func node(member model.MemberName) *corev3.Node {
	return &corev3.Node{Id: "gateway-0", Cluster: string(member)}
}

// publish fails the test on an error.
func (r *rig) publish(t testing.TB, member model.MemberName, set publish.Set) int {
	t.Helper()
	pushed, err := r.Publish(member, set)
	if err != nil {
		t.Fatal(err)
	}
	return pushed
}

func (r *rig) publishEndpoints(t testing.TB, member model.MemberName, endpoints ...*eds.Assignment) int {
	t.Helper()
	pushed, err := r.PublishEndpoints(member, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	return pushed
}

// set has, for each service, a cluster, its endpoints and a listener.
func set(services ...string) publish.Set {
	var made publish.Set
	for _, name := range services {
		made.Endpoints = append(made.Endpoints, endpoints(name, 1))
		made.Clusters = append(made.Clusters, cluster(name))
		made.Listeners = append(made.Listeners, &listenerv3.Listener{Name: name})
	}
	return made
}

func cluster(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{Name: name, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}}
}

// endpoints are the addresses 10.0.0.1 and so on.
func endpoints(name string, count int) *eds.Assignment {
	var locality eds.Locality
	for i := range count {
		locality.Hosts = append(locality.Hosts, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte((i + 1) >> 8), byte(i + 1)}), 5000))
	}
	return eds.Encode(name, []eds.Locality{locality})
}

// want fails where a response has other resources or removals.
func want(t testing.TB, response *discoveryv3.DeltaDiscoveryResponse, names []string, removed ...string) {
	t.Helper()
	if diff := cmp.Diff(names, xdsclient.Names(response), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(removed, response.GetRemovedResources(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
}

func route(name string) *routev3.RouteConfiguration { return &routev3.RouteConfiguration{Name: name} }
