package publish

import (
	"context"
	"errors"
	"io"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/delta/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

var (
	_ cache.ConfigWatcher = (*session)(nil)
	_ cache.DeltaResponse = (*answer)(nil)
)

// session is one stream: what go-control-plane's server reads from and writes to,
// and the watcher behind that server. Being both, it knows who is at the other end
// by the certificate and not by what requests say.
type session struct {
	grpc.BidiStreamingServer[discoveryv3.DeltaDiscoveryRequest, discoveryv3.DeltaDiscoveryResponse]
	publisher *Publisher
	identity  string
	member    model.MemberName
	address   string
	since     time.Time
	end       context.CancelCauseFunc

	// sending is the answer between GetDeltaDiscoveryResponse and Send, which the
	// same goroutine calls one after the other.
	sending *answer

	// What follows is guarded by the Publisher's mu.
	node *corev3.Node
	// out takes answers; nil while the server takes none.
	out           chan cache.DeltaResponse
	subscriptions [kinds]*subscription
	// keeper is the subscription whose watch pauses the session.
	keeper  *subscription
	touched bool
	// resumed is true of a client that has something from an earlier stream.
	resumed bool
}

// serve runs a stream until either side ends it.
func (p *Publisher) serve(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	identity, member, err := p.admit(stream.Context())
	if err != nil {
		return err
	}
	defer p.release(identity)
	p.provide(identity)
	ctx, end := context.WithCancelCause(stream.Context())
	defer end(nil)
	s := &session{
		BidiStreamingServer: stream, publisher: p, identity: identity, member: member,
		since: time.Now(), end: end,
	}
	if from, ok := peer.FromContext(ctx); ok {
		s.address = from.Addr.String()
	}
	p.open(s)
	defer p.close(s)
	if err := delta.NewServer(ctx, s, nil).DeltaStreamHandler(s, ""); err != nil {
		return err
	}
	if cause := context.Cause(ctx); status.Code(cause) != codes.Unknown {
		return cause
	}
	return nil
}

// Recv is the next request that is of any concern to the server.
func (s *session) Recv() (*discoveryv3.DeltaDiscoveryRequest, error) {
	for {
		request, err := s.BidiStreamingServer.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.end(err)
			}
			return nil, err
		}
		if err := s.greet(request.GetNode()); err != nil {
			s.publisher.reject("node")
			s.end(err)
			return nil, err
		}
		// The server keeps the node for as long as the stream, and Envoy's lists
		// every extension that it was built with.
		request.Node = s.node
		if _, known := kindOf(request.GetTypeUrl()); known {
			return request, nil
		}
		s.publisher.unknownType()
	}
}

// greet binds the stream's node, which the first request must name, to the
// identity. The errors do not say what would have been right.
func (s *session) greet(node *corev3.Node) error {
	switch {
	case s.node == nil && node == nil:
		return status.Error(codes.InvalidArgument, "the first request has no node")
	case node == nil:
		return nil
	case node.GetId() == "" || node.GetCluster() != string(s.member), s.node != nil && node.GetId() != s.node.GetId():
		return status.Error(codes.PermissionDenied, "the node is not that of the client certificate")
	case s.node == nil:
		s.publisher.greeted(s, &corev3.Node{
			Id: node.GetId(), Cluster: node.GetCluster(), UserAgentName: node.GetUserAgentName(),
		})
	}
	return nil
}

// Send is called by the server with the head of the answer that it just asked for.
func (s *session) Send(*discoveryv3.DeltaDiscoveryResponse) error {
	a := s.sending
	s.sending = nil
	a.to.nonce = a.head.GetNonce()
	return s.SendMsg(a)
}

// CreateWatch implements cache.ConfigWatcher; no stream of this kind gets here.
func (s *session) CreateWatch(*cache.Request, cache.Subscription, chan cache.Response) (func(), error) {
	return nil, errStateOfTheWorld
}

// CreateDeltaWatch takes a request, and sends what is due.
func (s *session) CreateDeltaWatch(
	request *cache.DeltaRequest, asked cache.Subscription, out chan cache.DeltaResponse,
) (func(), error) {
	kind, known := kindOf(request.GetTypeUrl())
	if !known {
		return nil, nil
	}
	cancel, nack, err := s.take(kind, request, asked.IsWildcard(), out)
	if nack != nil {
		s.publisher.options.Log.Warn("gateway refused resources", "node", request.GetNode().GetId(),
			"type", kind.String(), "version", nack.Version, "reason", nack.Message)
	}
	return cancel, err
}

// take is CreateDeltaWatch for a kind that is served.
func (s *session) take(
	kind kind, request *cache.DeltaRequest, wildcard bool, out chan cache.DeltaResponse,
) (cancel func(), nack *Nack, err error) {
	s.publisher.mu.Lock()
	defer s.publisher.mu.Unlock()
	u := s.subscriptions[kind]
	first := u == nil
	if first {
		u = newSubscription(s, s.scopeLocked(kind), kind)
		s.subscriptions[kind] = u
	}
	nack = u.settleLocked(request)
	if err := u.updateLocked(request, wildcard, first); err != nil {
		return nil, nack, err
	}
	if s.keeper == nil {
		s.keeper = u
	}
	s.out = out
	s.flushLocked()
	s.publisher.settledLocked()
	if s.keeper == u {
		cancel = s.pause
	}
	return cancel, nack, nil
}

// pause keeps answers back. The server calls what CreateDeltaWatch returned before
// each request of the kind and before it closes the channel. For the latter it is
// enough that one kind has it, and the others are spared the lock.
func (s *session) pause() {
	s.publisher.mu.Lock()
	defer s.publisher.mu.Unlock()
	s.out = nil
}

// scopeLocked is where a kind comes from: secrets from the identity that was
// proved, all else from the member.
func (s *session) scopeLocked(kind kind) *scope {
	if kind == secretKind {
		return s.publisher.identityScopeLocked(s.identity)
	}
	return s.publisher.memberScopeLocked(s.member)
}

// flushLocked sends what can be sent, in the order of the kinds. Clusters that are
// gone are told last: first what refers to them has to go.
func (s *session) flushLocked() (sent int) {
	for kind := range kinds {
		switch kind {
		case clusterKind:
			sent += s.answerLocked(kind, s.changingLocked(listenerKind) || s.changingLocked(routeKind))
		case listenerKind, routeKind:
			if clusters := s.subscriptions[clusterKind]; clusters == nil || !clusters.comingLocked() {
				sent += s.answerLocked(kind, false)
			}
		default:
			sent += s.answerLocked(kind, false)
		}
	}
	if !s.changingLocked(listenerKind) && !s.changingLocked(routeKind) {
		sent += s.answerLocked(clusterKind, false)
	}
	return sent
}

// changingLocked reports whether something of a kind is still to be sent.
func (s *session) changingLocked(kind kind) bool {
	u := s.subscriptions[kind]
	return u != nil && len(u.dirty) > 0
}

// answerLocked sends one kind, unless an answer is under way: then what is dirty
// is for the next one. The channel has room for one answer of each kind.
func (s *session) answerLocked(kind kind, keepRemoved bool) int {
	u := s.subscriptions[kind]
	if u == nil || s.out == nil || u.unacked || !u.scope.answersLocked(s) || len(u.dirty) == 0 && !u.owed {
		return 0
	}
	a := u.composeLocked(keepRemoved)
	if a == nil {
		return 0
	}
	a.head.TypeUrl = typeURLs[kind]
	u.unacked, u.sent = true, a.body.version
	s.publisher.countLocked(a.body)
	s.out <- a
	return 1
}
