//go:build bench

package scale

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
	"github.com/eastwest-mesh/eastwest/lab/bench"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// patience is how long streams may take altogether.
const patience = 5 * time.Minute

// lean is a client that decodes no more than it must: it asks for endpoints by name,
// acknowledges everything and knows what it has.
type lean struct {
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	// versions are those that it has, by name, and received counts resources.
	versions map[string]string
	received int
	cancel   context.CancelFunc
}

// open asks for names, of which it has some in these versions, and waits until it has all.
// A server that turns it away is asked again after a second, as Envoy does it at first.
func open(b *testing.B, s process, number int, names []string, have map[string]string) (*lean, error) {
	b.Helper()
	conn, node := client(b, s, number)
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	for {
		l := &lean{versions: maps.Clone(have), cancel: cancel}
		if l.versions == nil {
			l.versions = map[string]string{}
		}
		var err error
		if l.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx); err == nil {
			err = l.stream.Send(&discoveryv3.DeltaDiscoveryRequest{
				Node: node, TypeUrl: xdsclient.Endpoints, ResourceNamesSubscribe: names, InitialResourceVersions: have,
			})
		}
		for err == nil && len(l.versions) < len(names) {
			_, err = l.receive()
		}
		if err == nil {
			return l, nil
		}
		select {
		case <-ctx.Done():
			cancel()
			return nil, fmt.Errorf("stream %d has %d of %d names: %w", number, len(l.versions), len(names), err)
		case <-time.After(time.Second):
		}
	}
}

// receive takes one response and acknowledges it.
func (l *lean) receive() (*discoveryv3.DeltaDiscoveryResponse, error) {
	response, err := l.stream.Recv()
	if err != nil {
		return nil, err
	}
	for _, one := range response.GetResources() {
		l.versions[one.GetName()] = one.GetVersion()
		l.received++
	}
	return response, l.stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xdsclient.Endpoints, ResponseNonce: response.GetNonce()})
}

// BenchmarkStorm has a thousand streams come at once, each on a connection of its own,
// for a hundred names each, and measures until the last one has acknowledged all (B5b).
// With the agent all is over mutual TLS, with istiod in clear. Each of b.N rounds is one
// storm for each server; streams that come back to the agent have what they had.
func BenchmarkStorm(b *testing.B) {
	streams := sized(1000, 20)
	w := newWorld(b, newFleet(b, 2, 100, 10, true))
	w.prepare(b)
	found := map[string][]time.Duration{}
	resent := 0
	for b.Loop() {
		for _, name := range []string{agent, istiod, tuned} {
			s, connect := w.start(b, name)
			proxy := connect()
			w.awaitWhole(b, name, proxy)
			names := namesOf(proxy)
			took, first := storm(b, s, streams, names, nil)
			found[name] = append(found[name], took)
			leave(first)
			if name == agent {
				// One name is new to each, so that its answer shows that all is over.
				have := maps.Clone(first[0].versions)
				delete(have, names[0])
				took, again := storm(b, s, streams, names, have)
				found["agent, resumed"] = append(found["agent, resumed"], took)
				for _, one := range again {
					resent += one.received - 1
				}
				leave(again)
			}
			s.Stop()
		}
	}
	text := ""
	for _, name := range slices.Sorted(maps.Keys(found)) {
		text += fmt.Sprintf("%s: %s (median of %d)", name, bench.Quantile(found[name], 0.5).Round(time.Millisecond), len(found[name]))
		if name == istiod || name == tuned {
			ratio := bench.RatioOf(found[name], found[agent], 0.5)
			text += fmt.Sprintf(", over agent %.1f (%.1f to %.1f)", ratio.Value, ratio.Low, ratio.High)
		}
		text += "\n"
		b.ReportMetric(bench.Quantile(found[name], 0.5).Seconds(), slug(name)+"-s")
	}
	b.ReportMetric(0, "ns/op")
	b.Logf("\n%s%d resources were sent again to streams that had them", text, resent)
}

// leave closes streams.
func leave(all []*lean) {
	for _, one := range all {
		one.cancel()
	}
}

// namesOf are what endpoints of the members' services are asked for by.
func namesOf(proxy *sides.Proxy) []string {
	var names []string
	for port, name := range proxy.Names() {
		var number int
		if _, err := fmt.Sscanf(port.Service, "service-%d", &number); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// storm opens streams at once and returns how long it took until all had all.
func storm(b *testing.B, s process, streams int, names []string, have map[string]string) (time.Duration, []*lean) {
	b.Helper()
	all, errs := make([]*lean, streams), make([]error, streams)
	var group sync.WaitGroup
	began := time.Now()
	for i := range all {
		group.Go(func() { all[i], errs[i] = open(b, s, i+1, names, have) })
	}
	group.Wait()
	took := time.Since(began)
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
	return took, all
}
