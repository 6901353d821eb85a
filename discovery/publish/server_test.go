package publish_test

import (
	"crypto/x509"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// TestCertificatesAreExchangedWithoutARestart: F38.
func TestCertificatesAreExchangedWithoutARestart(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	before := r.connect(t, east)
	before.Subscribe(xdsclient.Clusters)
	before.Take(xdsclient.Clusters)

	other := testca.Root(t)
	r.mu.Lock()
	r.certificate, r.roots = other.Leaf(t, agentID).TLS(), other.Pool()
	r.mu.Unlock()

	after := xdsclient.Open(t, xdsclient.Dial(t, r.address, clientTLS(other, other.Leaf(t, identity(east)))), node(east))
	after.Subscribe(xdsclient.Clusters)
	after.Take(xdsclient.Clusters)
	before.Quiet()
	after.Quiet()
	if pushed := r.publish(t, east, set("b")); pushed != 2 {
		t.Errorf("%d pushes, want one to the old stream too", pushed)
	}
	before.Take(xdsclient.Clusters)
	after.Take(xdsclient.Clusters)

	// What only the old roots know is not let in any more.
	stale := xdsclient.Open(t, xdsclient.Dial(t, r.address, clientTLS(other, r.ca.Leaf(t, identity(east)))), node(east))
	stale.Subscribe(xdsclient.Clusters)
	ended(t, stale, codes.Unavailable)
}

func TestAServerWithoutACertificateTurnsClientsAway(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.mu.Lock()
	r.certificate = nil
	r.mu.Unlock()
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	ended(t, s, codes.Unavailable)
}

// TestStop: F33. Streams end with a code that makes clients come again elsewhere.
func TestStop(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Quiet()
	r.stop()
	ended(t, s, codes.Unavailable)
}

func TestStopWaitsForAnswersUnderWay(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	held := s.Next(xdsclient.Clusters)
	r.publish(t, east, set("a", "b"))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop()
	}()
	s.Ack(held)
	// What was collected meanwhile still comes.
	want(t, s.Take(xdsclient.Clusters), []string{"b"})
	<-stopped
	ended(t, s, codes.Unavailable)
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *publish.Options) { o.Limits.Drain = 50 * time.Millisecond })
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	s.Next(xdsclient.Clusters)
	r.stop()
	ended(t, s, codes.Unavailable)
}

// TestAClientWithAnIntermediate: gateways' certificates come from their cluster's
// own CA below the root.
func TestAClientWithAnIntermediate(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	client := r.ca.Intermediate(t, func(c *x509.Certificate) { c.MaxPathLenZero = true }).Leaf(t, identity(east))
	s := xdsclient.Open(t, r.dial(t, client), node(east))
	s.Quiet()
}
