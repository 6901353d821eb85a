//go:build bench

package scale

import (
	"context"
	"net"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// floor is as little as a server between an API server and an xDS client can do: a watch
// of the slices, and an empty answer for each event. What is above it is a server's own.
const floor = "floor"

// floorVariable makes this binary that server.
const floorVariable = "EASTWEST_BENCH_FLOOR"

// relay is the server.
type relay struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	events <-chan string
}

// DeltaAggregatedResources tells the one client of every event, by its version.
func (r *relay) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	for version := range r.events {
		if err := stream.Send(&discoveryv3.DeltaDiscoveryResponse{TypeUrl: xdsclient.Endpoints, Nonce: version}); err != nil {
			return err
		}
	}
	return nil
}

// relayEvents is the whole process; it returns where it cannot begin.
func relayEvents(arguments string) error {
	_, address, kubeconfig := split(arguments)
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	events := make(chan string, 1024)
	stream, err := kube.DiscoveryV1().EndpointSlices(namespace).Watch(context.Background(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	go func() {
		for event := range stream.ResultChan() {
			if slice, is := event.Object.(*discoveryv1.EndpointSlice); is {
				events <- slice.ResourceVersion
			}
		}
	}()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, &relay{events: events})
	return server.Serve(listener)
}

// floorClient notes when events arrived.
type floorClient struct {
	*child
	*watcher
}

func startFloor(b *testing.B, kubeconfig string) *floorClient {
	b.Helper()
	process, address := startSelf(b, floorVariable, "", kubeconfig)
	f := &floorClient{child: process, watcher: newWatcher()}
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(xdsclient.Dial(b, address, nil)).DeltaAggregatedResources(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			response, err := stream.Recv()
			if err != nil {
				return
			}
			f.note(response.GetNonce(), time.Now())
		}
	}()
	return f
}
