//go:build bench

package scale

import (
	"context"
	"fmt"
	"net"
	"strings"
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

// floor is as little as a server between API servers and an xDS client can do: a plain
// watch of the slices of each, and an empty answer for each event, which the client
// acknowledges. What is above it is a server's own.
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
	go func() {
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	for version := range r.events {
		if err := stream.Send(&discoveryv3.DeltaDiscoveryResponse{TypeUrl: xdsclient.Endpoints, Nonce: version}); err != nil {
			return err
		}
	}
	return nil
}

// relayEvents is the whole process; it returns where it cannot begin.
func relayEvents(arguments string) error {
	_, address, kubeconfigs := split(arguments)
	events := make(chan string, 1024)
	for i, kubeconfig := range strings.Split(kubeconfigs, ",") {
		if err := relayFrom(i, kubeconfig, events); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, &relay{events: events})
	return server.Serve(listener)
}

// relayFrom watches one API server, the one of a number.
func relayFrom(number int, kubeconfig string, events chan<- string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	stream, err := kube.DiscoveryV1().EndpointSlices(namespace).Watch(context.Background(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	go func() {
		for event := range stream.ResultChan() {
			if slice, is := event.Object.(*discoveryv1.EndpointSlice); is {
				events <- told(number, slice.ResourceVersion)
			}
		}
	}()
	return nil
}

// told is what an answer says of an event: whose it is, and its version.
func told(number int, version string) string { return fmt.Sprintf("%d/%s", number, version) }

// floorClient notes when events arrived.
type floorClient struct {
	*child
	*watcher
}

func startFloor(b *testing.B, kubeconfigs ...string) *floorClient {
	b.Helper()
	process, address := startSelf(b, floorVariable, "", strings.Join(kubeconfigs, ","))
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
			if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xdsclient.Endpoints, ResponseNonce: response.GetNonce()}); err != nil {
				return
			}
		}
	}()
	return f
}
