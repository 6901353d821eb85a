// Package xdsclient is a delta xDS client for tests: it says exactly what it is
// told to say and shows every response, so that a test can count pushes and not
// only look at the outcome. It knows the protocol and no server.
package xdsclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// patience is how long a stream of Open lives: a test that waits for what never comes
// fails then.
const patience = 30 * time.Second

const typePrefix = "type.googleapis.com/"

// The types of resources.
const (
	Clusters  = typePrefix + "envoy.config.cluster.v3.Cluster"
	Endpoints = typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment"
	Listeners = typePrefix + "envoy.config.listener.v3.Listener"
	Routes    = typePrefix + "envoy.config.route.v3.RouteConfiguration"
	Secrets   = typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret"
)

// Dial makes a connection, which is closed with the test. Nothing is contacted
// before the first stream. Without a configuration it is in clear.
func Dial(t testing.TB, address string, config *tls.Config, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	transport := insecure.NewCredentials()
	if config != nil {
		transport = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, append(options,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Stream is one stream of delta ADS.
type Stream struct {
	t      testing.TB
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	cancel context.CancelFunc
	node   *corev3.Node
	// failed is why there is no stream: a server may turn a client away so early.
	failed error
	// Versions are what the client has, by type and name.
	Versions map[string]map[string]string
}

// Open begins a stream. The node goes out with its first request only, as Envoy
// does it.
func Open(t testing.TB, conn *grpc.ClientConn, node *corev3.Node) *Stream {
	t.Helper()
	return OpenFor(t, conn, node, patience)
}

// OpenFor is Open for a stream that lives so long.
func OpenFor(t testing.TB, conn *grpc.ClientConn, node *corev3.Node, life time.Duration) *Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), life)
	t.Cleanup(cancel)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	return &Stream{t: t, stream: stream, failed: err, cancel: cancel, node: node, Versions: map[string]map[string]string{}}
}

// Close drops the stream.
func (s *Stream) Close() { s.cancel() }

// Rename puts a node into the next request, as no well-behaved client does.
func (s *Stream) Rename(node *corev3.Node) { s.node = node }

// Send sends a request as it is, with the node if it is the first.
func (s *Stream) Send(request *discoveryv3.DeltaDiscoveryRequest) {
	s.t.Helper()
	request.Node, s.node = s.node, nil
	if s.failed != nil {
		return
	}
	// An error shows in the next response, with its status.
	_ = s.stream.Send(request)
}

// Subscribe asks for names of a type; without names it is the first request of a
// wildcard.
func (s *Stream) Subscribe(typeURL string, names ...string) {
	s.t.Helper()
	s.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: names})
}

// Unsubscribe gives names back.
func (s *Stream) Unsubscribe(typeURL string, names ...string) {
	s.t.Helper()
	s.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesUnsubscribe: names})
}

// Resume asks for names of a type and says what an earlier stream had of it.
func (s *Stream) Resume(typeURL string, earlier *Stream, names ...string) {
	s.t.Helper()
	s.Versions[typeURL] = maps.Clone(earlier.Versions[typeURL])
	s.Send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: typeURL, ResourceNamesSubscribe: names, InitialResourceVersions: s.Versions[typeURL],
	})
}

// Receive is the next response, or how the stream ended.
func (s *Stream) Receive() (*discoveryv3.DeltaDiscoveryResponse, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	response, err := s.stream.Recv()
	if err != nil {
		return nil, err
	}
	have := s.Versions[response.GetTypeUrl()]
	if have == nil {
		have = map[string]string{}
		s.Versions[response.GetTypeUrl()] = have
	}
	for _, one := range response.GetResources() {
		have[one.GetName()] = one.GetVersion()
	}
	for _, name := range response.GetRemovedResources() {
		delete(have, name)
	}
	return response, nil
}

// Next is the next response, unacknowledged; it must be of the type.
func (s *Stream) Next(typeURL string) *discoveryv3.DeltaDiscoveryResponse {
	s.t.Helper()
	response, err := s.Receive()
	if err != nil {
		s.t.Fatalf("wait for %s: %v", typeURL, err)
	}
	if response.GetTypeUrl() != typeURL {
		s.t.Fatalf("got %s, want %s", Describe(response), typeURL)
	}
	return response
}

// Take is Next, acknowledged.
func (s *Stream) Take(typeURL string) *discoveryv3.DeltaDiscoveryResponse {
	s.t.Helper()
	response := s.Next(typeURL)
	s.Ack(response)
	return response
}

// Ack accepts a response.
func (s *Stream) Ack(response *discoveryv3.DeltaDiscoveryResponse) {
	s.t.Helper()
	s.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: response.GetTypeUrl(), ResponseNonce: response.GetNonce()})
}

// Nack refuses a response.
func (s *Stream) Nack(response *discoveryv3.DeltaDiscoveryResponse, reason string) {
	s.t.Helper()
	s.Send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: response.GetTypeUrl(), ResponseNonce: response.GetNonce(),
		ErrorDetail: &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: reason},
	})
}

// Quiet fails where the server has sent or will send anything on account of what
// happened before the call. When it returns, all that the client said before has
// been read.
func (s *Stream) Quiet() {
	s.t.Helper()
	s.QuietBy(Secrets)
}

// QuietBy is Quiet, by a question of a type that has no answer under way. It needs
// no waiting: it asks for a name that does not exist, and whatever was sent earlier
// arrives earlier.
func (s *Stream) QuietBy(typeURL string) {
	s.t.Helper()
	const barrier = "there is no such name"
	s.Subscribe(typeURL, barrier)
	response := s.Take(typeURL)
	if len(response.GetResources()) > 0 || len(response.GetRemovedResources()) != 1 || response.GetRemovedResources()[0] != barrier {
		s.t.Fatalf("got %s, want nothing", Describe(response))
	}
	s.Unsubscribe(typeURL, barrier)
}

// Names are the names of the resources in a response.
func Names(response *discoveryv3.DeltaDiscoveryResponse) []string {
	names := []string{}
	for _, one := range response.GetResources() {
		names = append(names, one.GetName())
	}
	return names
}

// Decode reads the resource of a name into a message; it must be in the response.
func Decode(t testing.TB, response *discoveryv3.DeltaDiscoveryResponse, name string, into proto.Message) {
	t.Helper()
	for _, one := range response.GetResources() {
		if one.GetName() != name {
			continue
		}
		if err := one.GetResource().UnmarshalTo(into); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no %q in %s", name, Describe(response))
}

// Describe is a response in few words.
func Describe(response *discoveryv3.DeltaDiscoveryResponse) string {
	return fmt.Sprintf("%s %q, removed %q", response.GetTypeUrl(), Names(response), response.GetRemovedResources())
}
