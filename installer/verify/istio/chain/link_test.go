package chain_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

const (
	host      = "link-west.sample.svc.cluster.local"
	gatewayAt = "172.30.0.102"
	podAt     = "10.21.0.5"
)

var timeout = traffic.Answer{Exit: traffic.ExitTimeout}

// link is one from east to west in which all is well, but for the answer.
func link() chain.Link {
	root := facts.Mesh{RootNamespace: "istio-system", AutoMTLS: true}
	end := func(name string) chain.End {
		return chain.End{
			Name: name, ClusterID: "id-" + name, Network: "net-" + name, Revision: "rev", Namespace: "sample",
			Facts: facts.Cluster{
				Meshes: map[string]facts.Mesh{"rev": root},
				Gateways: []facts.Gateway{{
					Object: facts.Object{Namespace: "istio-system", Name: "gw"}, Network: "net-" + name, Port: 15443, TargetPort: 15443,
					Selector: map[string]string{"istio": "eastwestgateway"},
					Pods:     []facts.GatewayPod{{Name: "gw-0", Ready: true, Labels: map[string]string{"istio": "eastwestgateway"}}},
				}},
				Exposures: []facts.Exposure{{
					Object:   facts.Object{Namespace: "istio-system", Name: "expose"},
					Selector: map[string]string{"istio": "eastwestgateway"}, Port: 15443, Hosts: []string{"*.local"},
				}},
				Istiods: []facts.Istiod{{Pod: "istiod-0", Ready: true, Sync: map[string]string{"id-east": "synced", "id-west": "synced"}}},
			},
			Pod: chain.Pod{Name: "hello-0", IP: podAt, Ready: true, Labels: map[string]string{"app": "helloworld"}},
		}
	}
	l := chain.Link{
		Consumer: end("east"), Producer: end("west"), Host: host, Port: 5000,
		Answer: traffic.Answer{Exit: traffic.ExitReset},
		View: chain.View{
			Read: true, Known: true, Cluster: envoy.Cluster{Name: envoy.ClusterName(host, 5000)},
			Endpoints: []envoy.Endpoint{{Address: gatewayAt, Port: 15443, Share: 1, Healthy: true}},
		},
		Dials: map[string]traffic.Answer{gatewayAt + ":15443": {Connect: 1}},
		Passthrough: chain.Passthrough{
			Read: true, Pod: "istio-system/gw-0",
			Listeners: []envoy.Listener{{Name: "0.0.0.0_15443", Port: 15443, Active: true, ServerNames: []string{envoy.SNI(host, 5000)}}},
			Endpoints: []envoy.Endpoint{{Address: podAt, Port: 5000}},
		},
		Credential: chain.Credential{
			Expected: true, Secret: &facts.RemoteSecret{ClusterID: "id-west", Server: "https://api.west"}, Status: 200, Dial: &traffic.Answer{HTTP: 401},
		},
	}
	l.Producer.Facts.Gateways[0].Addresses = []string{gatewayAt}
	l.Consumer.Pod.Name, l.Consumer.Pod.IP = "sleep-0", "10.11.0.4"
	return l
}

// direct makes the consumer's Envoy send to the producer's pod.
func direct(l *chain.Link) {
	l.View.Endpoints = []envoy.Endpoint{{Address: podAt, Port: 5000, Share: 1, Healthy: true}}
	l.Dials = map[string]traffic.Answer{podAt + ":5000": timeout}
}

func nothing(l *chain.Link) { l.View.Endpoints, l.Dials = nil, nil }

func unlistened(l *chain.Link) {
	l.Passthrough.Listeners = nil
	l.Dials[gatewayAt+":15443"] = traffic.Answer{Exit: traffic.ExitConnect}
}

// verdict is the part of one that a table states.
type verdict struct {
	ID      string
	Cluster string
	Final   bool
}

func check(t *testing.T, breakIt func(*chain.Link), want verdict) {
	t.Helper()
	l := link()
	breakIt(&l)
	got := chain.First(l)
	if diff := cmp.Diff(want, verdict{got.ID, got.Cluster, got.Final}); diff != "" {
		t.Errorf("(-want +got):\n%s\nseen: %s", diff, got.Seen)
	}
	if got.Seen == "" || got.Fix == "" || strings.Contains(got.Fix, "\n") {
		t.Errorf("want what was seen and one line of fix, got %q and %q", got.Seen, got.Fix)
	}
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
			check(t, c.breakIt, c.want)
		})
	}
}
