//go:build bench

package scale

import (
	"context"
	"fmt"
	"net"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	xds "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// go-control-plane's own caches, each behind its server, as somebody would use them who
// wrote no more than a watch: one for all streams.
const (
	linear    = "linear cache"
	snapshots = "snapshot cache"
)

// cacheVariable makes this binary such a server, of the kind that is named.
const cacheVariable = "EASTWEST_BENCH_CACHE"

// serveCache is the whole process; it returns where it cannot begin.
func serveCache(arguments string) error {
	kind, address, kubeconfig := split(arguments)
	var served cache.Cache
	var put func(*endpointv3.ClusterLoadAssignment) error
	if kind == linear {
		one := cache.NewLinearCache(xdsclient.Endpoints)
		served = one
		put = func(load *endpointv3.ClusterLoadAssignment) error {
			return one.UpdateResource(load.GetClusterName(), load)
		}
	} else {
		one := cache.NewSnapshotCache(false, sameForAll{}, nil)
		served = one
		all, version := map[string]types.Resource{}, 0
		put = func(load *endpointv3.ClusterLoadAssignment) error {
			all[load.GetClusterName()] = load
			version++
			resources := make([]types.Resource, 0, len(all))
			for _, one := range all {
				resources = append(resources, one)
			}
			made, err := cache.NewSnapshot(fmt.Sprint(version), map[string][]types.Resource{xdsclient.Endpoints: resources})
			if err != nil {
				return err
			}
			return one.SetSnapshot(context.Background(), "", made)
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.ContentType = runtime.ContentTypeProtobuf
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
				if err := put(loadOf(slice)); err != nil {
					panic(err)
				}
			}
		}
	}()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	running := grpc.NewServer(grpc.MaxConcurrentStreams(1 << 20))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(running, xds.NewServer(context.Background(), served, nil))
	return running.Serve(listener)
}

// loadOf is a slice as the assignment of its service.
func loadOf(slice *discoveryv1.EndpointSlice) *endpointv3.ClusterLoadAssignment {
	locality := &endpointv3.LocalityLbEndpoints{}
	for _, one := range slice.Endpoints {
		locality.LbEndpoints = append(locality.LbEndpoints, &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: one.Addresses[0], PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(*slice.Ports[0].Port)},
			}}},
		}}})
	}
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: slice.Labels[discoveryv1.LabelServiceName], Endpoints: []*endpointv3.LocalityLbEndpoints{locality},
	}
}

// sameForAll is one snapshot for every node.
type sameForAll struct{}

// ID implements cache.NodeHash.
func (sameForAll) ID(*corev3.Node) string { return "" }
