package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// A peer that is gone without a word is noticed after their sum.
	pingAfter, pingTimeout = 30 * time.Second, 10 * time.Second
	// minClientPing lets Envoy's own keepalive of 10 s pass.
	minClientPing    = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	maxHeaders       = 16 << 10
	// Windows are how many bytes a peer may send before they are read. Fixed ones spare a
	// ping for every acknowledgement, by which gRPC would measure what fits.
	streamWindow, connWindow = 256 << 10, 1 << 20
)

var (
	errStateOfTheWorld = status.Error(codes.Unimplemented, "only delta xDS is served: set api_type to DELTA_GRPC")
	errStopping        = status.Error(codes.Unavailable, "the agent is stopping")
)

// Serve answers gateways until ctx ends, and then drains: no stream begins any
// more and clients are asked to go elsewhere, answers under way get their time to
// be acknowledged, and what is left is ended.
func (p *Publisher) Serve(ctx context.Context, listener net.Listener) error {
	server := p.server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve xDS on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	p.drain(server)
	if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve xDS on %s: %w", listener.Addr(), err)
	}
	return nil
}

func (p *Publisher) server() *grpc.Server {
	limits := p.options.Limits
	server := grpc.NewServer(
		grpc.Creds(p.transport()),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(limits.MessageBytes),
		grpc.MaxConcurrentStreams(uint32(limits.StreamsPerConnection)),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connWindow),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minClientPing, PermitWithoutStream: true}),
	)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, service{publisher: p})
	return server
}

func (p *Publisher) drain(server *grpc.Server) {
	deadline := time.NewTimer(p.options.Limits.Drain)
	defer deadline.Stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		server.GracefulStop()
	}()
	select {
	case <-p.settle():
		p.endAll()
	case <-deadline.C:
		server.Stop()
	}
	select {
	case <-gone:
		return
	case <-deadline.C:
	}
	server.Stop()
	<-gone
}

// endAll ends all streams.
func (p *Publisher) endAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		s.end(errStopping)
	}
}

// service is the gRPC face of a Publisher.
type service struct{ publisher *Publisher }

// StreamAggregatedResources refuses the other variant of the protocol.
func (service) StreamAggregatedResources(discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return errStateOfTheWorld
}

// DeltaAggregatedResources serves one stream. A bug that it meets costs that
// stream and not the others.
func (s service) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			s.publisher.reject("bug")
			s.publisher.options.Log.Error("panic on a stream", "panic", bug, "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "internal error")
		}
	}()
	return s.publisher.serve(stream)
}
