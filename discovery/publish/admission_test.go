package publish_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// ended fails where a stream does not end with a code, or where it says what the
// client is not to know.
func ended(t *testing.T, s *xdsclient.Stream, code codes.Code) {
	t.Helper()
	response, err := s.Receive()
	if err == nil {
		t.Fatalf("got %s, want %s", xdsclient.Describe(response), code)
	}
	if status.Code(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
	for _, leak := range []string{"outbound_", "helloworld", "gateway-east", "gateway-west"} {
		if strings.Contains(err.Error(), leak) {
			t.Errorf("the error says %q: %v", leak, err)
		}
	}
}

// TestNodesAreBoundToIdentities: X01, X03.
func TestNodesAreBoundToIdentities(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("outbound_.5000_._.helloworld.sample.svc.cluster.local"))
	for name, tc := range map[string]struct {
		client string
		node   *corev3.Node
		code   codes.Code
	}{
		"no node at all":                {identity(east), nil, codes.InvalidArgument},
		"an empty node":                 {identity(east), &corev3.Node{}, codes.PermissionDenied},
		"a node without an ID":          {identity(east), &corev3.Node{Cluster: "east"}, codes.PermissionDenied},
		"a node without a cluster":      {identity(east), &corev3.Node{Id: "gateway-0"}, codes.PermissionDenied},
		"a node of another member":      {identity(west), node(east), codes.PermissionDenied},
		"a gateway of no member here":   {gatewayPrefix + "north", node("north"), codes.PermissionDenied},
		"the agent itself":              {agentID, node(east), codes.PermissionDenied},
		"a workload under the same CA":  {"spiffe://cluster.local/ns/sample/sa/helloworld", node(east), codes.PermissionDenied},
		"a longer identity":             {identity(east) + "/more", node(east), codes.PermissionDenied},
		"an identity in another letter": {strings.ToUpper(identity(east)[:20]) + identity(east)[20:], node(east), codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := xdsclient.Open(t, r.dial(t, r.ca.Leaf(t, tc.client)), tc.node)
			s.Subscribe(xdsclient.Clusters)
			ended(t, s, tc.code)
		})
	}
}

func TestAStreamKeepsItsNode(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	conn := r.dial(t, r.ca.Leaf(t, identity(east)))
	s := xdsclient.Open(t, conn, node(east))
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Rename(&corev3.Node{Id: "gateway-1", Cluster: "east"})
	s.Subscribe(xdsclient.Endpoints, "a")
	ended(t, s, codes.PermissionDenied)
}

// TestHandshakesThatFail: X03. Under TLS 1.3 the client believes at first that
// its handshake succeeded, and learns with the first answer that it did not.
func TestHandshakesThatFail(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	for name, client := range map[string]*testca.Signer{
		"another root": testca.Root(t).Leaf(t, identity(east)),
		"an expired certificate": r.ca.Leaf(t, identity(east), func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(-time.Minute)
		}),
		"another trust domain":      r.ca.Leaf(t, "spiffe://evil/ns/eastwest-system/sa/gateway-east"),
		"a longer trust domain":     r.ca.Leaf(t, "spiffe://cluster.local.evil/ns/eastwest-system/sa/gateway-east"),
		"no SPIFFE ID":              r.ca.Leaf(t, "https://cluster.local/ns/eastwest-system/sa/gateway-east"),
		"two URIs":                  r.ca.Leaf(t, identity(east), func(c *x509.Certificate) { c.URIs = append(c.URIs, &url.URL{Scheme: "spiffe", Host: "evil"}) }),
		"no URI":                    r.ca.Leaf(t, identity(east), func(c *x509.Certificate) { c.URIs = nil }),
		"a certificate for servers": r.ca.Leaf(t, identity(east), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
	} {
		t.Run(name, func(t *testing.T) {
			s := xdsclient.Open(t, r.dial(t, client), node(east))
			s.Subscribe(xdsclient.Clusters)
			ended(t, s, codes.Unavailable)
		})
	}
	for name, config := range map[string]*tls.Config{
		"no certificate": {MinVersion: tls.VersionTLS13, RootCAs: r.ca.Pool(), InsecureSkipVerify: true}, //nolint:gosec // what the server does is tested
		"an old TLS":     old(clientTLS(r.ca, r.ca.Leaf(t, identity(east)))),
	} {
		t.Run(name, func(t *testing.T) {
			s := xdsclient.Open(t, xdsclient.Dial(t, r.address, config), node(east))
			s.Subscribe(xdsclient.Clusters)
			ended(t, s, codes.Unavailable)
		})
	}
	if got := r.Stats().Rejected["handshake"]; got < 10 {
		t.Errorf("%d failed handshakes counted, want at least the 10 of this test", got)
	}
}

func old(config *tls.Config) *tls.Config {
	config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	return config
}

// TestUnknownTypesAreIgnored: X01.
func TestUnknownTypesAreIgnored(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	for range 100 {
		s.Subscribe("type.googleapis.com/envoy.service.runtime.v3.Runtime", "a")
	}
	s.Subscribe("")
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Quiet()
	if got := r.Stats().UnknownTypes; got != 101 {
		t.Errorf("%d counted, want 101", got)
	}
}

func TestStateOfTheWorldIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	client := discoveryv3.NewAggregatedDiscoveryServiceClient(r.dial(t, r.ca.Leaf(t, identity(east))))
	stream, err := client.StreamAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "DELTA_GRPC") {
		t.Errorf("got %v, want a hint at the delta variant", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	names := func(count int) []string {
		all := make([]string, count)
		for i := range all {
			all[i] = strings.Repeat("n", i+1)
		}
		return all
	}
	for name, tc := range map[string]struct {
		limits publish.Limits
		ask    func(s *xdsclient.Stream)
	}{
		"too many names in one request": {
			publish.Limits{Names: 10},
			func(s *xdsclient.Stream) { s.Subscribe(xdsclient.Endpoints, names(11)...) },
		},
		"too many names one after the other": {
			publish.Limits{Names: 10},
			func(s *xdsclient.Stream) {
				for _, one := range names(11) {
					s.Subscribe(xdsclient.Routes, one)
				}
			},
		},
		"too many versions": {
			publish.Limits{Names: 10},
			func(s *xdsclient.Stream) {
				versions := map[string]string{}
				for _, one := range names(11) {
					versions[one] = "1"
				}
				s.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xdsclient.Clusters, InitialResourceVersions: versions})
			},
		},
		"names taken and given back under a wildcard": {
			publish.Limits{Names: 10},
			func(s *xdsclient.Stream) {
				s.Subscribe(xdsclient.Routes, "*")
				for _, one := range names(11) {
					s.Subscribe(xdsclient.Routes, one)
					s.Unsubscribe(xdsclient.Routes, one)
				}
			},
		},
		"a message beyond all measure": {
			publish.Limits{MessageBytes: 4 << 10},
			func(s *xdsclient.Stream) { s.Subscribe(xdsclient.Endpoints, strings.Repeat("n", 5<<10)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(o *publish.Options) { o.Limits = tc.limits })
			s := r.connect(t, east)
			tc.ask(s)
			ended(t, s, codes.ResourceExhausted)
		})
	}
}

func TestStreamsOfAnIdentityAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *publish.Options) { o.Limits.StreamsPerIdentity = 2 })
	first := r.connect(t, east)
	first.Quiet()
	second := r.connect(t, east)
	second.Quiet()
	ended(t, r.connect(t, east), codes.ResourceExhausted)
	r.connect(t, west).Quiet()
	if got := r.Stats(); got.Streams != 3 || got.Rejected["streams"] != 1 {
		t.Errorf("counted %+v", got)
	}
}

func TestStreamsThatBeginTooFastWaitAndThenAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *publish.Options) {
		o.Limits.StreamRate, o.Limits.StreamBurst, o.Limits.StreamWait = 20, 1, 200*time.Millisecond
	})
	conn := r.dial(t, r.ca.Leaf(t, identity(east)))
	begun, refused := 0, 0
	streams := make([]*xdsclient.Stream, 20)
	for i := range streams {
		streams[i] = xdsclient.Open(t, conn, node(east))
		streams[i].Subscribe(xdsclient.Secrets, publish.RootsSecret)
	}
	for _, s := range streams {
		switch _, err := s.Receive(); status.Code(err) {
		case codes.OK:
			begun++
		case codes.ResourceExhausted:
			refused++
		default:
			t.Error(err)
		}
	}
	if begun < 2 || refused < 1 {
		t.Errorf("%d began and %d were refused: want some of the queue, not all", begun, refused)
	}
}
