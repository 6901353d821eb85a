//go:build bench

package names

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/eastwest-mesh/eastwest/lab/bench"
)

// Of a service with few endpoints one takes the place of another; before each change
// nothing happens for pause.
const (
	few     = 11
	changes = 100
	warmUp  = 5
	pause   = 100 * time.Millisecond
)

// BenchmarkDelay measures from before the request that changes a slice to the answer
// that has the change, and from when a plain watch shows it. Servers take turns; the one that is not asked reads the change
// all the same.
func BenchmarkDelay(b *testing.B) {
	w := newWorld(b)
	base := addresses("10.30", few-1)
	hold := func(i int) []string { return append(slices.Clone(base), fmt.Sprintf("10.31.0.%d", 1+i%2)) }
	w.headless(b, "moving", hold(0))
	moving := question{"moving", "moving.bench.svc.clusterset.local.", dnsmessage.TypeA, "udp", dnsmessage.RCodeSuccess, few}
	var servers []*server
	for _, name := range []string{agent, plain} {
		s, _ := start(b, name)
		servers = append(servers, s)
	}
	wantSame(b, servers, moving)
	watched := w.watch(b)
	packed, delays, own, i := moving.pack(b), map[string][]time.Duration{}, map[string][]time.Duration{}, 0
	for round := range warmUp + changes {
		for _, s := range servers {
			time.Sleep(pause)
			i++
			begin, answered := w.delay(b, s, packed, sliceOf("moving", hold(i)), [4]byte{10, 31, 0, byte(1 + i%2)})
			seen := received(b, watched)
			if round >= warmUp {
				delays[s.name] = append(delays[s.name], answered.Sub(begin))
				own[s.name] = append(own[s.name], answered.Sub(seen))
			}
		}
		slices.Reverse(servers)
	}
	wantSame(b, servers, moving)
	text := ""
	for _, q := range []float64{0.5, 0.95, 0.99} {
		text += fmt.Sprintf("p%g: change to answer: coredns %s, agent %s, ratio %s; watch to answer: coredns %s, agent %s\n", q*100,
			micros(delays[plain], q), micros(delays[agent], q), ratio(delays[plain], delays[agent], q), micros(own[plain], q), micros(own[agent], q))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bench.Quantile(delays[agent], 0.5).Seconds()*1000, "agent-p50-ms")
	b.Logf("%d changes for each\n%s", changes, text)
}

// watch gives the moments at which a plain watch in this process shows changes of
// slices, one for each.
func (w *world) watch(b *testing.B) <-chan time.Time {
	b.Helper()
	list, err := w.kube.DiscoveryV1().EndpointSlices(namespace).List(b.Context(), metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	stream, err := w.kube.DiscoveryV1().EndpointSlices(namespace).Watch(b.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stream.Stop)
	moments := make(chan time.Time, 1)
	go func() {
		for range stream.ResultChan() {
			select {
			case moments <- time.Now():
			case <-b.Context().Done():
				return
			}
		}
	}()
	return moments
}

func received(b *testing.B, moments <-chan time.Time) time.Time {
	b.Helper()
	select {
	case at := <-moments:
		return at
	case <-time.After(time.Minute):
		b.Fatal("the watch lost a change")
		return time.Time{}
	}
}

// delay makes a change and asks until the answer has it.
func (w *world) delay(b *testing.B, s *server, packed []byte, to *discoveryv1.EndpointSlice, want [4]byte) (begin, answered time.Time) {
	b.Helper()
	socket, err := net.Dial("udp", s.address)
	if err != nil {
		b.Fatal(err)
	}
	defer socket.Close()
	room := make([]byte, 4096)
	begin = time.Now()
	if _, err := w.kube.DiscoveryV1().EndpointSlices(namespace).Update(b.Context(), to, metav1.UpdateOptions{}); err != nil {
		b.Fatal(err)
	}
	for time.Since(begin) < time.Minute {
		_ = socket.SetReadDeadline(time.Now().Add(time.Second))
		message, err := exchange(socket, "udp", packed, room)
		if isTimeout(err) {
			continue
		}
		if err != nil {
			b.Fatal(err)
		}
		if has(b, message, want) {
			return begin, time.Now()
		}
	}
	b.Fatalf("%s: a change was lost", s.name)
	return begin, answered
}

func has(b *testing.B, message []byte, want [4]byte) bool {
	b.Helper()
	var parsed dnsmessage.Message
	if err := parsed.Unpack(message); err != nil {
		b.Fatal(err)
	}
	return slices.ContainsFunc(parsed.Answers, func(one dnsmessage.Resource) bool {
		a, is := one.Body.(*dnsmessage.AResource)
		return is && a.A == want
	})
}
