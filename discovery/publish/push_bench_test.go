package publish

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/eds"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// BenchmarkPush is BenchmarkFanOut without a network and without clients: what the
// server itself spends on a change, from its publication to the bytes of every
// stream, and on the acknowledgements.
func BenchmarkPush(b *testing.B) {
	for _, streams := range []int{1, 100, 1000} {
		for _, names := range []int{10, 1000} {
			b.Run(fmt.Sprintf("streams=%d/names=%d", streams, names), func(b *testing.B) { push(b, streams, names) })
		}
	}
}

func push(b *testing.B, streams, services int) {
	p := New(Options{
		Member: func(string) (model.MemberName, bool) { return "east", true },
		Limits: Limits{StreamRate: 1e6, StreamBurst: 1e6},
	})
	var set Set
	var names []string
	for i := range services {
		name := fmt.Sprintf("outbound_.5000_._.service-%d.sample.svc.cluster.local@0123456789abcdef", i)
		names = append(names, name)
		set.Endpoints = append(set.Endpoints, eds.Encode(name, nil))
	}
	if _, err := p.Publish("east", set); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(peer.NewContext(context.Background(), &peer.Peer{
		Addr: &net.TCPAddr{}, AuthInfo: proved{identity: "spiffe://cluster.local/gateway"},
	}))
	var served, received sync.WaitGroup
	received.Add(streams)
	for range streams {
		served.Go(func() {
			err := p.serve(&pipe{ctx: ctx, received: &received, ask: names, acks: make(chan string, 1)})
			if err != nil {
				b.Error(err)
			}
		})
	}
	received.Wait()
	<-p.settle()
	alternatives := [2]*eds.Assignment{assign(names[0], 10), assign(names[0], 11)}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		received.Add(streams)
		if _, err := p.PublishEndpoints("east", []*eds.Assignment{alternatives[i%2]}); err != nil {
			b.Fatal(err)
		}
		received.Wait()
		<-p.settle()
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams), "ns/push")
	cancel()
	served.Wait()
}

func assign(name string, count int) *eds.Assignment {
	var locality eds.Locality
	for i := range count {
		locality.Hosts = append(locality.Hosts, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 5000))
	}
	return eds.Encode(name, []eds.Locality{locality})
}

// pipe is a stream whose client asks once and acknowledges everything.
type pipe struct {
	grpc.ServerStream
	ctx      context.Context
	received *sync.WaitGroup
	ask      []string
	acks     chan string
}

func (p *pipe) Context() context.Context { return p.ctx }

func (p *pipe) Send(*discoveryv3.DeltaDiscoveryResponse) error { return nil }

// SendMsg encodes as gRPC would, and lets go of the bytes.
func (p *pipe) SendMsg(message any) error {
	if _, err := newCodec().Marshal(message); err != nil {
		return err
	}
	p.received.Done()
	p.acks <- message.(*answer).head.GetNonce() //nolint:forcetypeassert // all that is sent here
	return nil
}

func (p *pipe) Recv() (*discoveryv3.DeltaDiscoveryRequest, error) {
	request := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURLs[endpointKind]}
	if p.ask != nil {
		request.Node, request.ResourceNamesSubscribe = &corev3.Node{Id: "gateway", Cluster: "east"}, p.ask
		p.ask = nil
		return request, nil
	}
	select {
	case request.ResponseNonce = <-p.acks:
		return request, nil
	case <-p.ctx.Done():
		return nil, io.EOF
	}
}
