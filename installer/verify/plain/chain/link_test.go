package chain_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

const (
	gatewayAt = "172.30.0.102:15443"
	podAt     = "10.21.0.5"
)

var (
	epoch   = time.Unix(1_800_000_000, 0)
	timeout = traffic.Answer{Exit: traffic.ExitTimeout}
	refused = traffic.Answer{Exit: traffic.ExitConnect}
)

// root is a certificate that is told from others by its name.
func root(name string) *x509.Certificate {
	return &x509.Certificate{Raw: []byte(name), Subject: pkix.Name{CommonName: name}}
}

func record(of string) facts.Record {
	return facts.Record{Secret: facts.Object{Namespace: facts.Namespace, Name: "members"}, Name: of, Server: "https://api." + of, Token: "t"}
}

// link is one from east to west in which all is well, but for the answer.
func link() chain.Link {
	end := func(name, peer, address string) chain.End {
		return chain.End{
			Name: name,
			Facts: facts.Cluster{
				Agent:   facts.Deployment{Found: true, Wanted: 2, Ready: 2},
				Records: []facts.Record{record(peer)},
				Gateway: &facts.Gateway{
					Object: facts.Object{Namespace: facts.Namespace, Name: facts.GatewayName}, Addresses: []string{address}, Port: 15443,
					Pods: []facts.Pod{{Name: "gateway-0", IP: "10.11.0.9", Ready: true}},
				},
				Authority: facts.Authority{Found: true, Roots: []*x509.Certificate{root("one")}, Expiry: epoch.Add(time.Hour)},
				Exports:   map[string]facts.Export{"link-west": {}},
				Derived: map[string]facts.Derived{"link-west": {
					Object: facts.Object{Namespace: "sample", Name: "derived-x"}, Target: 20001, Endpoints: []string{"10.11.0.9"},
				}},
			},
			Pod: chain.Pod{Name: "pod", Ready: true},
		}
	}
	gateway := envoy.Host{Address: gatewayAt, Member: "west", Weight: 1, Healthy: true}
	l := chain.Link{
		Consumer: end("east", "west", "172.30.0.101"), Producer: end("west", "east", "172.30.0.102"),
		Service: "link-west", Namespace: "sample", Port: 5000, Answer: traffic.Answer{Exit: traffic.ExitEmpty},
		Egress: chain.Egress{
			Read: true, Pod: "gateway-0", Connected: true, Listens: true, Known: true,
			Hosts: []envoy.Host{gateway}, Peers: []envoy.Host{gateway},
		},
		Inbound: chain.Inbound{Read: true, Pod: "gateway-0", Connected: true, Listens: true, Known: true, Hosts: []envoy.Host{{Address: podAt + ":5000", Member: "west"}}},
		Dials:   map[string]traffic.Answer{gatewayAt: {Connect: 1}},
		Credential: chain.Credential{
			Status: 200, Dial: &traffic.Answer{HTTP: 401},
		},
		Now: epoch,
	}
	l.Producer.Pod.IP = podAt
	return l
}

// unknown takes away all that the consumer knows of the producer's service.
func unknown(l *chain.Link) {
	l.Consumer.Facts.Derived = nil
	l.Egress.Known, l.Egress.Listens, l.Egress.Hosts = false, false, nil
}

// unhealthy has the consumer's gateway fail its checks.
func unhealthy(l *chain.Link) {
	for _, hosts := range [][]envoy.Host{l.Egress.Hosts, l.Egress.Peers} {
		for i := range hosts {
			hosts[i].Healthy = false
		}
	}
}

// direct has the derived Service lead to the producer's pod.
func direct(l *chain.Link) {
	d := l.Consumer.Facts.Derived["link-west"]
	d.Endpoints = []string{podAt}
	l.Consumer.Facts.Derived["link-west"] = d
	l.Egress, l.Dials = chain.Egress{Read: true, Pod: "gateway-0", Connected: true}, nil
}

// verdict is the part of one that a table states.
type verdict struct {
	ID      string
	Cluster string
	Final   bool
}

// breakage is one change to a good link and what must come of it.
type breakage struct {
	breakIt func(*chain.Link)
	want    verdict
}

func run(t *testing.T, cases map[string]breakage) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := link()
			c.breakIt(&l)
			got := chain.First(l)
			if diff := cmp.Diff(c.want, verdict{got.ID, got.Cluster, got.Final}); diff != "" {
				t.Errorf("(-want +got):\n%s\nseen: %s", diff, got.Seen)
			}
			if got.Seen == "" || got.Fix == "" || strings.Contains(got.Fix, "\n") {
				t.Errorf("want what was seen and one line of fix, got %q and %q", got.Seen, got.Fix)
			}
		})
	}
}
