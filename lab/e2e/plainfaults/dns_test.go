//go:build e2e

package plainfaults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/netns"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// Ports of the agent.
const (
	dnsPort    = "10053"
	healthPort = 15020
)

// manyHosts is a headless service whose answer is many times as long as what asks for
// it. Its endpoints are nobody's.
const manyHosts = `
apiVersion: v1
kind: Service
metadata: {name: many, namespace: shop}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: many, namespace: shop}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: many, namespace: shop, labels: {kubernetes.io/service-name: many}}
addressType: IPv4
ports: [{name: http, port: 80}]
endpoints: [%s]
`

const manyName = "many.shop.svc.clusterset.local."

// hosts is how many endpoints it has: their addresses fit into one datagram.
const hosts = 60

// makeMany makes that service in c1 and waits for its name.
func makeMany(t *testing.T) {
	t.Helper()
	var endpoints []string
	for i := range hosts {
		endpoints = append(endpoints, fmt.Sprintf(`{addresses: ["198.51.100.%d"], conditions: {ready: true}}`, i+1))
	}
	suite.Apply(t, 1, fmt.Sprintf(manyHosts, strings.Join(endpoints, ", ")))
	for _, pod := range suite.AwaitPods(t, 1, agentApp, agentReplicas(t)) {
		rig.Await(t, pod.Name+" knows the service", time.Minute, func(ctx context.Context) error {
			answer, err := resolve(ctx, "udp", net.JoinHostPort(pod.IP, dnsPort), manyName)
			if err == nil && len(answer.Answers) != hosts {
				err = fmt.Errorf("%v with %d records", answer.RCode, len(answer.Answers))
			}
			return err
		})
	}
}

// agentReplicas is how many agents c1 has.
func agentReplicas(t *testing.T) int {
	t.Helper()
	pods, err := suite.Pods(t.Context(), 1, agentApp)
	if err != nil || len(pods) == 0 {
		t.Fatalf("agents of c1: %v, %v", pods, err)
	}
	return len(pods)
}

// testDNSFlood sends queries in the name of one source that never asked, as fast as one
// thread can: it gets little, and whoever asks in earnest is answered.
func testDNSFlood(t *testing.T) {
	makeMany(t)
	query, err := packed(manyName, dnsmessage.TypeA)
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range suite.AwaitPods(t, 1, agentApp, agentReplicas(t)) {
		ctx, cancel := context.WithCancel(t.Context())
		before, begin := trafficOf(t, pod), time.Now()
		sent := make(chan int, 1)
		go func() {
			count, err := flood(ctx, suite.Netns(1), pod.IP, query)
			if err != nil {
				t.Errorf("flood %s: %v", pod.Name, err)
			}
			sent <- count
		}()
		wantServed(t, "udp", 30)
		cancel()
		count, took, after := <-sent, time.Since(begin), trafficOf(t, pod)
		in, out := after.in-before.in, after.out-before.out
		t.Logf("%s: %d queries in %s, %.0f/s; %d bytes in, %d bytes out", pod.Name, count, took.Round(time.Millisecond), float64(count)/took.Seconds(), in, out)
		// What one source may have is no more than twice what it asks with only where it
		// asks much more often than it may.
		const allowed, enough = 1000, 10
		if float64(count) < enough*allowed*(1+took.Seconds()) {
			t.Logf("the flood was too slow to be one")
			continue
		}
		if out > 2*in {
			t.Errorf("%s: %d bytes came in, and %d went out", pod.Name, in, out)
		}
	}
}

// testDNSConnections opens connections from one source and says nothing on them: it gets
// as many as one may have, for as long as one may be silent, and nobody else notices.
func testDNSConnections(t *testing.T) {
	const perSource, more = 20, 10
	for _, pod := range suite.AwaitPods(t, 1, agentApp, agentReplicas(t)) {
		refused := metricOf(t, pod, `eastwest_dns_dropped_total{reason="connections"}`)
		var open []net.Conn
		for range perSource + more {
			conn, err := netns.Dial(t.Context(), suite.Netns(1), net.JoinHostPort(pod.IP, dnsPort), callPatience)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = conn.Write([]byte{0}) // half a length; whoever is turned away may know already
			open = append(open, conn)
		}
		rig.Await(t, pod.Name+" turns connections away", time.Minute, func(context.Context) error {
			if now := metricOf(t, pod, `eastwest_dns_dropped_total{reason="connections"}`); now < refused+more {
				return fmt.Errorf("%.0f before, now %.0f", refused, now)
			}
			return nil
		})
		wantServed(t, "tcp", 5)
		for i, conn := range open {
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("connection %d of a source that says nothing stays open: %v", i, err)
			}
		}
	}
}

func metricOf(t *testing.T, pod rig.Pod, name string) float64 {
	t.Helper()
	metrics, err := suite.Metrics(t.Context(), 1, pod, healthPort, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return metrics[name]
}
