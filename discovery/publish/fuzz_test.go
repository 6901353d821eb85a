package publish

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// FuzzRequests sends whatever a gateway with a good certificate may send, as a stream of
// messages each behind its length. The stream ends, what is sent on it can be read, and
// nothing of it is left behind: no session, no subscriber, no answer under way.
func FuzzRequests(f *testing.F) {
	node := &corev3.Node{Id: "gateway-0", Cluster: "east"}
	ask := func(kind kind, names ...string) *discoveryv3.DeltaDiscoveryRequest {
		return &discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: typeURLs[kind], ResourceNamesSubscribe: names}
	}
	back := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURLs[endpointKind], ResourceNamesUnsubscribe: []string{"a", "*", ""}}
	resume := ask(clusterKind)
	resume.InitialResourceVersions = map[string]string{"a": "old", "gone": "x", "": ""}
	stale := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURLs[clusterKind], ResponseNonce: "7"}
	unknown := &discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: "type.googleapis.com/none"}
	for _, seed := range [][]*discoveryv3.DeltaDiscoveryRequest{
		{ask(clusterKind)},
		{ask(endpointKind, "a", "a", "*", "b")},
		{ask(endpointKind, "a"), back, back},
		{resume, stale},
		{ask(secretKind, "tls", "none")},
		{unknown, stale, ask(listenerKind, "*")},
		{{}},
		{ask(clusterKind), {Node: &corev3.Node{Id: "other"}}},
	} {
		f.Add(lengthDelimited(f, seed))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := New(Options{
			Member:  func(string) (model.MemberName, bool) { return "east", true },
			Secrets: noSecrets{}, Limits: Limits{Names: 50},
		})
		publishSome(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		ctx = peer.NewContext(ctx, &peer.Peer{Addr: &net.UnixAddr{}, AuthInfo: proved{AuthInfo: credentials.TLSInfo{}, identity: "id"}})
		stream := &fuzzStream{ctx: ctx, rest: raw, codec: newCodec()}
		_ = p.serve(stream)
		if ctx.Err() != nil {
			t.Error("the stream does not end")
		}
		if stream.unreadable != nil {
			t.Errorf("an answer cannot be read: %v", stream.unreadable)
		}
		if len(p.sessions) != 0 || len(p.streams) != 0 || p.unacked != 0 {
			t.Errorf("%d sessions, streams %v, %d answers under way", len(p.sessions), p.streams, p.unacked)
		}
		for _, scope := range []*scope{p.members["east"], p.identities["id"]} {
			for _, table := range scope.tables {
				if table != nil {
					checkEmpty(t, table)
				}
			}
		}
	})
}

// checkEmpty wants a table without subscribers.
func checkEmpty(t *testing.T, table *table) {
	t.Helper()
	if len(table.wildcards) > 0 {
		t.Errorf("%s: %d wildcards are left", table.kind, len(table.wildcards))
	}
	for name, record := range table.records {
		if len(record.subscribers) > 0 || record.current == nil {
			t.Errorf("%s %q: %d subscribers are left", table.kind, name, len(record.subscribers))
		}
	}
}

// publishSome has something to ask for.
func publishSome(t *testing.T, p *Publisher) {
	t.Helper()
	var set Set
	for _, name := range []string{"a", "b"} {
		set.Clusters = append(set.Clusters, &clusterv3.Cluster{Name: name})
		set.Endpoints = append(set.Endpoints, eds.Encode(name, nil))
	}
	if _, err := p.Publish("east", set); err != nil {
		t.Fatal(err)
	}
}

type noSecrets struct{}

func (noSecrets) Credential(string) (Credential, error) { return Credential{}, errors.New("none") }

// fuzzStream is a stream whose requests are bytes, which its codec reads.
type fuzzStream struct {
	grpc.ServerStream
	ctx        context.Context //nolint:containedctx // it is the stream's
	rest       []byte
	codec      codec
	unreadable error
}

func (s *fuzzStream) Context() context.Context { return s.ctx }

func (s *fuzzStream) Recv() (*discoveryv3.DeltaDiscoveryRequest, error) {
	content, size := protowire.ConsumeBytes(s.rest)
	if size < 0 {
		return nil, io.EOF
	}
	s.rest = s.rest[size:]
	request := &discoveryv3.DeltaDiscoveryRequest{}
	if err := s.codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(slices.Clone(content))}, request); err != nil {
		return nil, err
	}
	return request, nil
}

func (s *fuzzStream) Send(response *discoveryv3.DeltaDiscoveryResponse) error {
	return s.SendMsg(response)
}

func (s *fuzzStream) SendMsg(message any) error {
	encoded, err := s.codec.Marshal(message)
	if err == nil {
		err = proto.Unmarshal(encoded.Materialize(), &discoveryv3.DeltaDiscoveryResponse{})
	}
	if err != nil {
		s.unreadable = err
	}
	return nil
}

func lengthDelimited(f *testing.F, requests []*discoveryv3.DeltaDiscoveryRequest) []byte {
	f.Helper()
	var out []byte
	for _, request := range requests {
		content, err := proto.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		out = protowire.AppendBytes(out, content)
	}
	return out
}
