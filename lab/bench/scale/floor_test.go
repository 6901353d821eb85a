//go:build bench

package scale

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
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

// floor is as little as a server between API servers and xDS clients can do: a plain watch
// of the slices of each, and an answer for each event to every client, which acknowledges
// it. What is above it is a server's own.
const floor = "floor"

// floorVariable makes this binary that server.
const floorVariable = "EASTWEST_BENCH_FLOOR"

// event is the name of the one resource of which the floor tells, which has no content.
const event = "event"

// relay is the server.
type relay struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	mu      sync.Mutex
	streams map[chan string]struct{}
}

// tell sends every client the version of an event.
func (r *relay) tell(version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for one := range r.streams {
		one <- version
	}
}

// DeltaAggregatedResources tells a client of every event from now on, by its version.
func (r *relay) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	events := make(chan string, 1024)
	events <- "first"
	r.mu.Lock()
	r.streams[events] = struct{}{}
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.streams, events)
	}()
	for {
		select {
		case version := <-events:
			answer := &discoveryv3.DeltaDiscoveryResponse{
				TypeUrl: xdsclient.Endpoints, Nonce: version, Resources: []*discoveryv3.Resource{{Name: event, Version: version}},
			}
			if err := stream.Send(answer); err != nil {
				return err
			}
		case <-ended:
			return nil
		}
	}
}

// relayEvents is the whole process; it returns where it cannot begin.
func relayEvents(arguments string) error {
	_, address, kubeconfigs := split(arguments)
	to := &relay{streams: map[chan string]struct{}{}}
	for i, kubeconfig := range strings.Split(kubeconfigs, ",") {
		if err := to.watch(i, kubeconfig); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, to)
	return server.Serve(listener)
}

// watch watches one API server, the one of a number.
func (r *relay) watch(number int, kubeconfig string) error {
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
				r.tell(told(number, slice.ResourceVersion))
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
	process := startSelf(b, floorVariable, "", strings.Join(kubeconfigs, ","))
	f := &floorClient{child: process, watcher: newWatcher()}
	l, err := open(b, process, 0, []string{event}, nil)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			response, err := l.receive()
			if err != nil {
				return
			}
			f.note(response.GetNonce(), time.Now())
		}
	}()
	return f
}
