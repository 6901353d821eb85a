package publish_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/eds"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// BenchmarkFanOut is one endpoint change to W streams over mutual TLS, each with a
// connection of its own, until the last of them has it (B3). The clients are in
// this process too: their cost is in the figures.
func BenchmarkFanOut(b *testing.B) {
	for _, streams := range []int{1, 100, 1000} {
		for _, names := range []int{10, 1000} {
			b.Run(fmt.Sprintf("streams=%d/names=%d", streams, names), func(b *testing.B) { fanOut(b, streams, names) })
		}
	}
}

func fanOut(b *testing.B, streams, services int) {
	r := start(b, func(o *publish.Options) { o.Limits.StreamRate, o.Limits.StreamBurst = 1e6, 1e6 })
	names := make([]string, services)
	for i := range names {
		names[i] = fmt.Sprintf("outbound_.5000_._.service-%d.sample.svc.cluster.local@0123456789abcdef", i)
	}
	r.publish(b, east, set(names...))
	ctx, cancel := context.WithCancel(context.Background())
	var clients, received sync.WaitGroup
	received.Add(streams)
	config := clientTLS(r.ca, r.ca.Leaf(b, identity(east)))
	for i := range streams {
		clients.Go(func() { follow(ctx, b, r.address, config, i, names, &received) })
	}
	received.Wait()
	alternatives := [2]*eds.Assignment{endpoints(names[0], 10), endpoints(names[0], 11)}
	b.ReportAllocs()
	b.ResetTimer()
	before := r.Stats()
	for i := range b.N {
		received.Add(streams)
		// Waiting for acknowledgements too would measure the clients' next step.
		r.publishEndpoints(b, east, alternatives[i%2])
		received.Wait()
	}
	b.StopTimer()
	after := r.Stats()
	b.ReportMetric(float64(after.Bytes-before.Bytes)/float64(after.Responses-before.Responses), "B/push")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams), "ns/push")
	cancel()
	clients.Wait()
}

// follow is a client as lean as it can be: it acknowledges and counts.
func follow(
	ctx context.Context, b *testing.B, address string, config *tls.Config, id int, names []string, received *sync.WaitGroup,
) {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		b.Error(err)
		return
	}
	request := &discoveryv3.DeltaDiscoveryRequest{
		Node:    &corev3.Node{Id: fmt.Sprint("gateway-", id), Cluster: string(east)},
		TypeUrl: xdsclient.Endpoints, ResourceNamesSubscribe: names,
	}
	for {
		if err := stream.Send(request); err != nil {
			return
		}
		response, err := stream.Recv()
		if err != nil {
			return
		}
		received.Done()
		request = &discoveryv3.DeltaDiscoveryRequest{TypeUrl: xdsclient.Endpoints, ResponseNonce: response.GetNonce()}
	}
}

// BenchmarkNoChange is publishing again what is there: whole sets whose messages
// are the same, and whole sets made anew.
func BenchmarkNoChange(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("service-", i)
	}
	same := set(names...)
	for name, next := range map[string]func() publish.Set{
		"same messages": func() publish.Set { return same },
		"made anew":     func() publish.Set { return set(names...) },
	} {
		b.Run(name, func(b *testing.B) {
			p := publish.New(publish.Options{})
			if _, err := p.Publish(east, same); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if pushed, err := p.Publish(east, next()); pushed != 0 || err != nil {
					b.Fatal(pushed, err)
				}
			}
		})
	}
}

// BenchmarkStorm is W streams that all resume at once, each with its own
// connection, until each has an answer that comes behind what it resumed (B5b).
func BenchmarkStorm(b *testing.B) {
	const streams, services = 1000, 100
	r := start(b, nil)
	var names []string
	for i := range services {
		names = append(names, fmt.Sprint("service-", i))
	}
	r.publish(b, east, set(names...))
	earlier := r.connect(b, east)
	earlier.Subscribe(xdsclient.Endpoints, names...)
	earlier.Take(xdsclient.Endpoints)
	client := r.ca.Leaf(b, identity(east))
	for b.Loop() {
		var group sync.WaitGroup
		for i := range streams {
			group.Go(func() {
				s := xdsclient.Open(b, r.dial(b, client), &corev3.Node{Id: fmt.Sprint("gateway-", i), Cluster: "east"})
				s.Resume(xdsclient.Endpoints, earlier, names...)
				s.Quiet()
				s.Close()
			})
		}
		group.Wait()
	}
	b.ReportMetric(float64(r.Stats().Resources-services), "resources-resent")
}
