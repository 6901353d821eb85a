package judge_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

const (
	host      = "link-west.sample.svc.cluster.local"
	gatewayAt = "172.30.0.102"
	podAt     = "10.21.0.5"
)

var timeout = traffic.Answer{Exit: traffic.ExitTimeout}

// link is one from east to west in which all is well, but for the answer.
func link() judge.Link {
	root := facts.Mesh{RootNamespace: "istio-system", AutoMTLS: true}
	end := func(name string) judge.End {
		return judge.End{
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
			Pod: judge.Pod{Name: "hello-0", IP: podAt, Ready: true, Labels: map[string]string{"app": "helloworld"}},
		}
	}
	l := judge.Link{
		Consumer: end("east"), Producer: end("west"), Host: host, Port: 5000,
		Answer: traffic.Answer{Exit: traffic.ExitReset},
		View: judge.View{
			Read: true, Known: true, Cluster: envoy.Cluster{Name: envoy.ClusterName(host, 5000)},
			Endpoints: []envoy.Endpoint{{Address: gatewayAt, Port: 15443, Share: 1, Healthy: true}},
		},
		Dials: map[string]traffic.Answer{gatewayAt + ":15443": {Connect: 1}},
		Passthrough: judge.Passthrough{
			Read: true, Pod: "istio-system/gw-0",
			Listeners: []envoy.Listener{{Name: "0.0.0.0_15443", Port: 15443, Active: true, ServerNames: []string{envoy.SNI(host, 5000)}}},
			Endpoints: []envoy.Endpoint{{Address: podAt, Port: 5000}},
		},
		Credential: judge.Credential{
			Expected: true, Secret: &facts.RemoteSecret{ClusterID: "id-west", Server: "https://api.west"}, Status: 200, Dial: &traffic.Answer{HTTP: 401},
		},
	}
	l.Producer.Facts.Gateways[0].Addresses = []string{gatewayAt}
	l.Consumer.Pod.Name, l.Consumer.Pod.IP = "sleep-0", "10.11.0.4"
	return l
}

// direct makes the consumer's Envoy send to the producer's pod.
func direct(l *judge.Link) {
	l.View.Endpoints = []envoy.Endpoint{{Address: podAt, Port: 5000, Share: 1, Healthy: true}}
	l.Dials = map[string]traffic.Answer{podAt + ":5000": timeout}
}

func nothing(l *judge.Link) { l.View.Endpoints, l.Dials = nil, nil }

func unlistened(l *judge.Link) {
	l.Passthrough.Listeners = nil
	l.Dials[gatewayAt+":15443"] = traffic.Answer{Exit: traffic.ExitConnect}
}

// verdict is the part of one that a table states.
type verdict struct {
	ID      string
	Cluster string
	Final   bool
}

func TestFirstBrokenHop(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		breakIt func(*judge.Link)
		want    verdict
	}{
		"the name does not resolve": {
			func(l *judge.Link) { l.Answer.Exit = traffic.ExitName }, verdict{"name-resolves", "east", false},
		},
		"Envoy does not know the Service": {
			func(l *judge.Link) { l.View.Known, l.View.Endpoints = false, nil }, verdict{"name-known", "east", false},
		},
		"the remote secret is missing": {
			func(l *judge.Link) { nothing(l); l.Credential.Secret = nil }, verdict{"discovery-secret", "east", true},
		},
		"the remote secret is unreadable": {
			func(l *judge.Link) { nothing(l); l.Credential.Secret.Invalid = "no readable kubeconfig" }, verdict{"discovery-secret", "east", true},
		},
		"the remote secret has another key": {
			func(l *judge.Link) {
				nothing(l)
				l.Credential.Misfiled, l.Credential.Secret = &facts.RemoteSecret{ClusterID: "Kubernetes"}, nil
			}, verdict{"discovery-key", "east", true},
		},
		"a consumer that needs no remote secret": {
			func(l *judge.Link) { nothing(l); l.Credential = judge.Credential{} }, verdict{"discovery-endpoints", "east", false},
		},
		"the token is revoked and istiod has forgotten": {
			func(l *judge.Link) { nothing(l); l.Credential.Status = 401 }, verdict{"discovery-token", "east", true},
		},
		"the API server cannot be dialled": {
			func(l *judge.Link) { nothing(l); l.Credential.Dial = &timeout }, verdict{"discovery-api", "east", true},
		},
		"istiod has not synced": {
			func(l *judge.Link) { nothing(l); l.Consumer.Facts.Istiods[0].Sync["id-west"] = "timeout" }, verdict{"discovery-sync", "east", false},
		},
		"a revoked token does not explain a firewall": {
			func(l *judge.Link) { l.Credential.Status = 401; l.Dials[gatewayAt+":15443"] = timeout }, verdict{"gateway-tcp", "west", true},
		},
		"one network name for two networks": {
			func(l *judge.Link) { direct(l); l.Producer.Network = "net-east" }, verdict{"gateway-same-network", "west", true},
		},
		"no gateway at all": {
			func(l *judge.Link) { direct(l); l.Producer.Facts.Gateways = nil }, verdict{"gateway-service", "west", true},
		},
		"a gateway Service without its port": {
			func(l *judge.Link) { direct(l); l.Producer.Facts.Gateways[0].Port = 0 }, verdict{"gateway-service", "west", true},
		},
		"a wrong network label on the gateway": {
			func(l *judge.Link) { direct(l); l.Producer.Facts.Gateways[0].Network = "net-wrong" }, verdict{"gateway-network", "west", true},
		},
		"no network label on the gateway": {
			func(l *judge.Link) { direct(l); l.Producer.Facts.Gateways[0].Network = "" }, verdict{"gateway-network", "west", true},
		},
		"a gateway Service without an address": {
			func(l *judge.Link) { direct(l); l.Producer.Facts.Gateways[0].Addresses = nil }, verdict{"gateway-address", "west", true},
		},
		"a gateway Service that lost its address": {
			func(l *judge.Link) {
				l.Producer.Facts.Gateways[0].Addresses, l.Dials[gatewayAt+":15443"] = nil, timeout
			}, verdict{"gateway-address", "west", true},
		},
		"a gateway whose address is declared in the consumer": {
			func(l *judge.Link) {
				l.Producer.Facts.Gateways[0].Addresses, l.Dials[gatewayAt+":15443"] = nil, timeout
				l.Consumer.Facts.Declared = []facts.Declared{{Network: "net-west", Address: gatewayAt, Port: 15443}}
			}, verdict{"gateway-tcp", "west", true},
		},
		"gateway scaled to zero": {
			func(l *judge.Link) {
				l.Producer.Facts.Gateways[0].Pods, l.Dials[gatewayAt+":15443"] = nil, traffic.Answer{Exit: traffic.ExitConnect}
			}, verdict{"gateway-pods", "west", true},
		},
		"gateway pods that may still become ready": {
			func(l *judge.Link) {
				l.Producer.Facts.Gateways[0].Pods[0].Ready, l.Dials[gatewayAt+":15443"] = false, timeout
			}, verdict{"gateway-pods", "west", false},
		},
		"a firewall drops 15443": {
			func(l *judge.Link) { l.Dials[gatewayAt+":15443"] = timeout }, verdict{"gateway-tcp", "west", true},
		},
		"something refuses 15443 though the gateway listens": {
			func(l *judge.Link) { l.Dials[gatewayAt+":15443"] = traffic.Answer{Exit: traffic.ExitConnect} }, verdict{"gateway-tcp", "west", true},
		},
		"nothing is exposed": {
			func(l *judge.Link) { unlistened(l); l.Producer.Facts.Exposures = nil }, verdict{"sni-exposed", "west", true},
		},
		"the exposed hosts leave the Service out": {
			func(l *judge.Link) { l.Producer.Facts.Exposures[0].Hosts = []string{"*.shop.svc.cluster.local"} }, verdict{"sni-exposed", "west", true},
		},
		"the exposure selects other pods": {
			func(l *judge.Link) {
				l.Producer.Facts.Exposures[0].Selector = map[string]string{"istio": "ingressgateway"}
			}, verdict{"sni-exposed", "west", true},
		},
		"the gateway refused its configuration": {
			func(l *judge.Link) {
				l.Passthrough.Listeners = []envoy.Listener{{Name: "0.0.0.0_15443", Rejected: "duplicate matcher"}}
			},
			verdict{"sni-accepted", "west", true},
		},
		"the gateway does not listen yet": {unlistened, verdict{"sni-listener", "west", false}},
		"the gateway has no filter chain yet": {
			func(l *judge.Link) { l.Passthrough.Listeners[0].ServerNames = nil }, verdict{"sni-chain", "west", false},
		},
		"the gateway has no endpoint": {
			func(l *judge.Link) { l.Passthrough.Endpoints = nil }, verdict{"sni-endpoints", "west", false},
		},
		"the producer's pod is not ready": {
			func(l *judge.Link) { l.Producer.Pod.Ready = false; nothing(l) }, verdict{"producer-pods", "west", false},
		},
		"nothing explains it": {func(*judge.Link) {}, verdict{"producer-answers", "west", false}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, c.breakIt, c.want)
		})
	}
}

func check(t *testing.T, breakIt func(*judge.Link), want verdict) {
	t.Helper()
	l := link()
	breakIt(&l)
	got := judge.First(l)
	if diff := cmp.Diff(want, verdict{got.ID, got.Cluster, got.Final}); diff != "" {
		t.Errorf("(-want +got):\n%s\nseen: %s", diff, got.Seen)
	}
	if got.Seen == "" || got.Fix == "" || strings.Contains(got.Fix, "\n") {
		t.Errorf("want what was seen and one line of fix, got %q and %q", got.Seen, got.Fix)
	}
}

func TestStandingTellsOfDiscoveryWhereTrafficFlows(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*judge.Link)
		want   []string
	}{
		"all is well":           {func(*judge.Link) {}, nil},
		"token revoked":         {func(l *judge.Link) { l.Credential.Status = 401 }, []string{"discovery-token"}},
		"rights taken":          {func(l *judge.Link) { l.Credential.Status = 403 }, []string{"discovery-token"}},
		"API server cut off":    {func(l *judge.Link) { l.Credential.Dial = &timeout }, []string{"discovery-api"}},
		"a replica not in sync": {func(l *judge.Link) { l.Consumer.Facts.Istiods[0].Sync = map[string]string{} }, []string{"discovery-sync"}},
		"itself":                {func(l *judge.Link) { l.Producer = l.Consumer; l.Credential = judge.Credential{} }, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := link()
			l.Works = true
			c.change(&l)
			var got []string
			for _, v := range judge.Standing(l) {
				got = append(got, v.ID)
				if !slices.ContainsFunc(v.Evidence, func(e string) bool { return strings.Contains(e, "traffic still works") }) {
					t.Errorf("%s does not say that traffic still works: %v", v.ID, v.Evidence)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChecksAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range judge.Checks() {
		if seen[c.ID] || c.Claim == "" || c.Hint == "" || c.Hop == "" {
			t.Errorf("check %q is named twice or says too little", c.ID)
		}
		seen[c.ID] = true
	}
}
