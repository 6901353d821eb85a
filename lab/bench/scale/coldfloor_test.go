//go:build bench

package scale

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// bare is a process that reads the slices of all members by plain watches, and ends.
const bare = "bare watches"

// readVariable makes this binary read so many slices of each of some clusters:
// COUNT,KUBECONFIG,... wholeVariable has it serve them, too.
const (
	readVariable  = "EASTWEST_BENCH_READ"
	wholeVariable = "EASTWEST_BENCH_WHOLE"
)

// toRead is what both are told.
func (w *world) toRead(b *testing.B) string {
	b.Helper()
	words := []string{strconv.Itoa(w.services)}
	for _, member := range w.members {
		words = append(words, member.Kubeconfig(b, w.dir))
	}
	return strings.Join(words, ",")
}

// bareWatches runs this binary until it has read the slices of all members.
func (w *world) bareWatches(b *testing.B) time.Duration {
	b.Helper()
	arguments := w.toRead(b)
	began := time.Now()
	cmd := exec.CommandContext(b.Context(), "taskset", "-c", strconv.Itoa(core), os.Args[0])
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", readVariable+"="+arguments)
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("read all slices: %v\n%s", err, text)
	}
	return time.Since(began)
}

// coldFloor runs this binary until a client has been told of all of them, in clear.
func (w *world) coldFloor(b *testing.B) time.Duration {
	b.Helper()
	arguments := w.toRead(b)
	began := time.Now()
	process := startSelf(b, wholeVariable, "", arguments)
	defer process.Stop()
	names := make([]string, w.services)
	for i := range names {
		names[i] = serviceName(i)
	}
	l, err := open(b, process, 0, names, nil)
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	l.cancel()
	return took
}

// readClusters is the whole process of bare watches. What it returns are the slices of
// each cluster.
func readClusters(arguments string) ([][]*discoveryv1.EndpointSlice, error) {
	words := strings.Split(arguments, ",")
	count, err := strconv.Atoi(words[0])
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	read := make([][]*discoveryv1.EndpointSlice, len(words)-1)
	for i, kubeconfig := range words[1:] {
		group.Go(func() (err error) {
			read[i], err = readAll(kubeconfig, count)
			return err
		})
	}
	return read, group.Wait()
}

// readAll reads so many slices of a watch.
func readAll(kubeconfig string, count int) ([]*discoveryv1.EndpointSlice, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	stream, err := kube.DiscoveryV1().EndpointSlices(namespace).Watch(context.Background(), metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	defer stream.Stop()
	read := make([]*discoveryv1.EndpointSlice, count)
	for i := range read {
		event := <-stream.ResultChan()
		slice, is := event.Object.(*discoveryv1.EndpointSlice)
		if !is {
			return nil, fmt.Errorf("a watch brought %v", event)
		}
		read[i] = slice
	}
	return read, nil
}

// whole tells each client of everything, once it is known.
type whole struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	known  chan struct{}
	answer *discoveryv3.DeltaDiscoveryResponse
}

// serveWhole is the whole process of the floor; it returns where it cannot begin.
func serveWhole(arguments string) error {
	_, address, toRead := split(arguments)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	w := &whole{known: make(chan struct{})}
	go func() {
		read, err := readClusters(toRead)
		if err == nil {
			err = w.make(read)
		}
		if err != nil {
			panic(err)
		}
		close(w.known)
	}()
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, w)
	return server.Serve(listener)
}

// make has an assignment of each service, with a locality for each member: its pods, or
// its gateway.
func (w *whole) make(read [][]*discoveryv1.EndpointSlice) error {
	loads := map[string]*endpointv3.ClusterLoadAssignment{}
	for member, list := range read {
		for _, slice := range list {
			if networkOf(member) == far {
				slice.Endpoints = slice.Endpoints[:1]
			}
			one := loadOf(slice)
			one.Endpoints[0].Locality = &corev3.Locality{SubZone: fmt.Sprint(member)}
			if known := loads[one.GetClusterName()]; known != nil {
				known.Endpoints = append(known.Endpoints, one.Endpoints...)
			} else {
				loads[one.GetClusterName()] = one
			}
		}
	}
	w.answer = &discoveryv3.DeltaDiscoveryResponse{TypeUrl: xdsclient.Endpoints, Nonce: "1"}
	for name, load := range loads {
		resource, err := anypb.New(load)
		if err != nil {
			return err
		}
		w.answer.Resources = append(w.answer.Resources, &discoveryv3.Resource{Name: name, Version: "1", Resource: resource})
	}
	return nil
}

// DeltaAggregatedResources sends the answer.
func (w *whole) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	<-w.known
	if err := stream.Send(w.answer); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}
