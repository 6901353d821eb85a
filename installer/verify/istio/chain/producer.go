package chain

import (
	"fmt"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
)

// producerChecks are the end of the chain, with the places where a request stops
// when nothing that was read explains it.
func producerChecks() []Check {
	return []Check{
		{
			ID: "producer-pods", Hop: HopProducer, Test: testPods,
			Claim: "the producer has a ready pod behind the Service",
			Hint:  "kubectl get pods in the verify namespace",
		},
		{
			ID: "sni-endpoints", Symptom: true, Hop: HopSNI, Test: testForwards,
			Claim: "the gateway's Envoy knows the pod to forward to",
			Hint:  "ISTIO_META_REQUESTED_NETWORK_VIEW of the gateway must be its own network",
		},
		{
			ID: "discovery-endpoints", Symptom: true, Hop: HopDiscovery, Test: testEndpoints,
			Claim: "the consumer's Envoy has an endpoint of the producer",
			Hint:  "istioctl proxy-config endpoints of a pod of the consumer",
		},
		{
			ID: "producer-answers", Symptom: true, Hop: HopProducer, Test: testAnswers,
			Claim: "the producer's pod answers what reaches it",
			Hint:  "logs of istio-proxy on both sides",
		},
	}
}

func testPods(l Link) *Broken {
	if l.Producer.Pod.Ready {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "Pod " + l.Producer.Namespace + "/" + l.Producer.Pod.Name,
		Seen: fmt.Sprintf("the pod in %s is not ready: %s", l.Producer.Name, l.Producer.Pod.State),
		Fix:  fmt.Sprintf("kubectl -n %s describe pod in %s (run verify with --keep to look at it)", l.Producer.Namespace, l.Producer.Name),
	}
}

func testForwards(l Link) *Broken {
	if len(l.remote()) == 0 || !l.Passthrough.Read || len(l.Passthrough.Endpoints) > 0 {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "Pod " + l.Passthrough.Pod,
		Seen:     fmt.Sprintf("the Envoy of the gateway of %s has no endpoint for %s", l.Producer.Name, l.sni()),
		Evidence: l.dialled(),
		Fix: fmt.Sprintf("set ISTIO_META_REQUESTED_NETWORK_VIEW=%s on the gateway of %s (eastwest gateway does)",
			l.Producer.Network, l.Producer.Name),
	}
}

func testEndpoints(l Link) *Broken {
	if !l.View.Read || !l.View.Known || len(l.View.Endpoints) > 0 {
		return nil
	}
	b := &Broken{
		Cluster: l.Consumer.Name, Seen: l.seenEndpoints(),
		Fix: fmt.Sprintf("compare the istiod log of %s with the pods of %s (kubectl logs deploy/istiod -c discovery | grep -i %s)",
			l.Consumer.Name, l.Producer.Name, l.Producer.ClusterID),
	}
	for _, i := range l.Consumer.Facts.Istiods {
		if i.Sync != nil && !l.Self() {
			b.Evidence = append(b.Evidence, fmt.Sprintf("%s says %s is %q", i.Pod, l.Producer.ClusterID, i.Sync[l.Producer.ClusterID]))
		}
	}
	return b
}

func testAnswers(l Link) *Broken {
	b := &Broken{
		Cluster: l.Producer.Name, Object: "Pod " + l.Producer.Namespace + "/" + l.Producer.Pod.Name,
		Seen:     fmt.Sprintf("a request from %s to %s: %s", l.Consumer.Name, l.Producer.Name, l.Answer.Failure()),
		Evidence: append([]string{l.seenEndpoints()}, l.dialled()...),
		Fix:      fmt.Sprintf("look at the proxies of both sides (run verify with --keep): kubectl -n %s logs -l app=helloworld -c istio-proxy", l.Producer.Namespace),
	}
	if l.Answer.Detail != "" {
		b.Evidence = append(b.Evidence, "curl: "+l.Answer.Detail)
	}
	name := envoy.ClusterName(l.Host, l.Port)
	for _, counter := range []string{
		"upstream_cx_connect_fail", "upstream_cx_connect_timeout", "upstream_cx_none_healthy",
		"ssl.connection_error", "ssl.fail_verify_error",
	} {
		if n := l.Consumer.Stats.Cluster(name, counter); n > 0 {
			b.Evidence = append(b.Evidence, fmt.Sprintf("%s of the Envoy in %s is %d", counter, l.Consumer.Name, n))
		}
	}
	return b
}
