//go:build bench

package scale

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// wholeState is what go-control-plane's snapshot cache tells in the older form of the
// protocol, in which every answer has everything.
const wholeState = "snapshot cache, state of the world"

// BenchmarkBytes changes one endpoint of a service, and counts what one proxy is sent for
// it, before compression and encryption (B10): with services of several sizes, and
// several numbers of them. It measures no time: one change says all.
func BenchmarkBytes(b *testing.B) {
	text := ""
	for b.Loop() {
		text = ""
		for _, services := range []int{10, 50}[:sized(2, 1)] {
			for _, endpoints := range []int{10, 100, 1000}[:sized(3, 2)] {
				text += weigh(b, services, endpoints)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.Log("\n" + text)
}

// weigh has one near member, whose services have so many endpoints each.
func weigh(b *testing.B, services, endpoints int) string {
	b.Helper()
	w := newWorld(b, newFleet(b, 2, services, endpoints, true))
	w.prepare(b)
	const address = 24.6 // bytes that an endpoint cannot do without
	least := int(address*float64(endpoints)) + 200
	text := fmt.Sprintf("%d services of %d endpoints:", services, endpoints)
	ours := 0
	for _, name := range []string{agent, istiod, linear} {
		one := w.gather(b, name, 1)
		w.tell(b, one, 1)
		leave(one.all)
		one.Stop()
		w.members[1].Put(w.slice(1, 7, 0)) // as the next one expects it
		if name == agent {
			ours = one.bytes
		}
		text += fmt.Sprintf(" %s %d bytes (%.2f of agent);", name, one.bytes, float64(one.bytes)/float64(ours))
	}
	state := w.wholeState(b)
	return text + fmt.Sprintf(" %s %d bytes (%.2f); 24.6 for each endpoint and 200 are %d (%.2f)\n",
		wholeState, state, float64(state)/float64(ours), least, float64(least)/float64(ours))
}

// wholeState is what one change costs a proxy that asks the snapshot cache for the state
// of the world.
func (w *world) wholeState(b *testing.B) int {
	b.Helper()
	process := startSelf(b, cacheVariable, snapshots, w.members[1].Kubeconfig(b, w.dir))
	defer process.Stop()
	conn, node := process.Client(b, 0)
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		b.Fatal(err)
	}
	request := &discoveryv3.DiscoveryRequest{Node: node, TypeUrl: xdsclient.Endpoints}
	for n := range w.services {
		request.ResourceNames = append(request.ResourceNames, serviceName(n))
	}
	moved := movedTo(1, 2)
	for told := false; ; {
		if err := stream.Send(request); err != nil {
			b.Fatal(err)
		}
		response, err := stream.Recv()
		if err != nil {
			b.Fatal(err)
		}
		request.VersionInfo, request.ResponseNonce, request.Node = response.GetVersionInfo(), response.GetNonce(), nil
		switch {
		case told && has(response, serviceName(7), moved):
			return proto.Size(response)
		case !told && len(response.GetResources()) == w.services:
			told = true
			w.members[1].Put(w.slice(1, 7, 2))
		}
	}
}

// has reports whether a resource of a response mentions an address.
func has(response *discoveryv3.DiscoveryResponse, name, address string) bool {
	for _, one := range response.GetResources() {
		if content := string(one.GetValue()); strings.Contains(content, name) && strings.Contains(content, address) {
			return true
		}
	}
	return false
}
