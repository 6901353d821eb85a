//go:build e2e

package differential

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// designed are the cases in which the two differ, and are meant to. What istiod tells
// is in the table, so that a difference that is gone is seen.
var designed = map[string]struct {
	service string
	// reason says why ours differs.
	reason        string
	change        func(t *testing.T, c1, c2 at)
	istiod, agent told
}{
	"nobody is ready, and some that end still serve": {
		"last", "a connection to a pod that ends is better than none, as kube-proxy has it (KEP-1669); istiod never uses one",
		func(t *testing.T, c1, c2 at) {
			c1.service(t, "last", words("http:80"))
			c2.service(t, "last", words("http:80"))
			c1.slice(t, "last-a", words("http:8080"), "10.1.101.1,draining", "10.1.101.2,unready")
			c2.slice(t, "last-a", words("http:8080"), "10.2.101.1,ready")
		},
		told{{"last:80": "c2"}, {"last:80": "10.2.101.1:8080"}},
		told{{"last:80": "10.1.101.1:8080 c2"}, {"last:80": "10.2.101.1:8080 c1"}},
	},
	"an endpoint with several addresses": {
		"addresses", "addresses of one endpoint are interchangeable, so that the first is enough, as kube-proxy has it; istiod makes a host of each",
		func(t *testing.T, c1, c2 at) {
			c1.service(t, "addresses", words("http:80"))
			c2.service(t, "addresses", words("http:80"))
			c1.slice(t, "addresses-a", words("http:8080"), "10.1.102.1+10.1.102.2", "10.1.102.3")
			c2.slice(t, "addresses-a", words("http:8080"), "10.2.102.1")
		},
		told{{"addresses:80": "10.1.102.1:8080 10.1.102.2:8080 10.1.102.3:8080 c2"}, {"addresses:80": "10.2.102.1:8080 c1=3"}},
		told{{"addresses:80": "10.1.102.1:8080 10.1.102.3:8080 c2"}, {"addresses:80": "10.2.102.1:8080 c1=2"}},
	},
	"both families": {
		"families", "each pod of a dual-stack service counts once, by IPv4; istiod counts slices that name no pod in both",
		func(t *testing.T, c1, c2 at) {
			c1.service(t, "families", words("http:80"))
			c2.service(t, "families", words("http:80"))
			c1.slice(t, "families-a", words("http:8080"), "10.1.103.1")
			c1.slice(t, "families-b", words("http:8080"), "fd00:1::1")
			c2.slice(t, "families-a", words("http:8080"), "10.2.103.1")
		},
		told{{"families:80": "10.1.103.1:8080 [fd00:1::1]:8080 c2"}, {"families:80": "10.2.103.1:8080 c1=2"}},
		told{{"families:80": "10.1.103.1:8080 c2"}, {"families:80": "10.2.103.1:8080 c1"}},
	},
	"a port that one cluster alone has": {
		"union", "a service has the ports of all who export it (KEP-1645); istiod knows those of the cluster it runs in",
		func(t *testing.T, c1, c2 at) {
			c1.service(t, "union", words("http:80"))
			c2.service(t, "union", words("http:80 admin:81"))
			c1.slice(t, "union-a", words("http:8080"), "10.1.104.1")
			c2.slice(t, "union-a", words("http:8080 admin:8081"), "10.2.104.1")
		},
		told{{"union:80": "10.1.104.1:8080 c2"}, {"union:80": "10.2.104.1:8080 c1", "union:81": "10.2.104.1:8081"}},
		told{{"union:80": "10.1.104.1:8080 c2", "union:81": "c2"}, {"union:80": "10.2.104.1:8080 c1", "union:81": "10.2.104.1:8081"}},
	},
	"a number with a different name in each cluster": {
		"names", "who exported a port first says what it is, and others do not serve it (KEP-1645); istiod goes by each cluster's own Service",
		func(t *testing.T, c1, c2 at) {
			c1.service(t, "names", words("http:80"))
			c2.service(t, "names", words("web:80"))
			c1.slice(t, "names-a", words("http:8080"), "10.1.107.1")
			c2.slice(t, "names-a", words("web:8080"), "10.2.107.1")
		},
		told{{"names:80": "10.1.107.1:8080"}, {"names:80": "10.2.107.1:8080"}},
		told{{"names:80": "10.1.107.1:8080"}, {"names:80": "c1"}},
	},
	"internalTrafficPolicy Local": {
		"local", "it is about the nodes of one cluster, and who exports a service means it for others; istiod keeps such a service within its cluster",
		func(t *testing.T, c1, c2 at) {
			policy := corev1.ServiceInternalTrafficPolicyLocal
			local := func(s *corev1.Service) { s.Spec.InternalTrafficPolicy = &policy }
			c1.service(t, "local", words("http:80"), local)
			c2.service(t, "local", words("http:80"), local)
			c1.slice(t, "local-a", words("http:8080"), "10.1.108.1")
			c2.slice(t, "local-a", words("http:8080"), "10.2.108.1")
		},
		told{{"local:80": "10.1.108.1:8080"}, {"local:80": "10.2.108.1:8080"}},
		told{{"local:80": "10.1.108.1:8080 c2"}, {"local:80": "10.2.108.1:8080 c1"}},
	},
	"no address of its own": {
		"headless", "peers may ask the gateway for it, and nothing in a cluster leads to others' pods; istiod's proxies go to whatever address their client has resolved",
		func(t *testing.T, c1, c2 at) {
			headless := func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }
			c1.service(t, "headless", words("http:80"), headless)
			c2.service(t, "headless", words("http:80"), headless)
			c1.slice(t, "headless-a", words("http:80"), "10.1.105.1")
			c2.slice(t, "headless-a", words("http:80"), "10.2.105.1")
		},
		told{{}, {}},
		told{{"headless:80": "10.1.105.1:80"}, {"headless:80": "10.2.105.1:80"}},
	},
	"endpoints elsewhere that are not ready, and istiod as shipped": {
		"unready", "who is not ready gets no traffic, through a gateway as well; istiod counts them in the weight of a gateway unless told not to",
		func(t *testing.T, c1, c2 at) {
			c1.namespace, c2.namespace = shipped, shipped
			c1.service(t, "unready", words("http:80"))
			c2.service(t, "unready", words("http:80"))
			c1.slice(t, "unready-a", words("http:8080"), "10.1.106.1,ready", "10.1.106.2,unready", "10.1.106.3,unready")
			c2.slice(t, "unready-a", words("http:8080"), "10.2.106.1,ready")
		},
		told{{"unready:80": "10.1.106.1:8080 c2"}, {"unready:80": "10.2.106.1:8080 c1=3"}},
		told{{"unready:80": "10.1.106.1:8080 c2"}, {"unready:80": "10.2.106.1:8080 c1"}},
	},
}

// undesigned reports whether a service is of no such case.
func undesigned(service string) bool {
	for _, tc := range designed {
		if tc.service == service {
			return false
		}
	}
	return true
}

func testDesigned(t *testing.T, w *world) {
	for name, tc := range designed {
		t.Run(name, func(t *testing.T) {
			tc.change(t, w.in(1), w.in(2))
			t.Logf("%s", tc.reason)
			w.awaitTold(t, tc.istiod, tc.agent, tc.service)
		})
	}
}
