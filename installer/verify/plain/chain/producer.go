package chain

import (
	"fmt"
	"slices"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

func sniChecks() []Check {
	return []Check{
		{
			ID: "sni-connected", Hop: HopSNI, Test: testInboundConnected,
			Claim: "the producer's gateway is connected to its agent",
			Hint:  "control_plane.connected_state of its Envoy",
		},
		{
			ID: "sni-listener", Hop: HopSNI, Test: testInboundListener,
			Claim: "the producer's gateway listens for peers",
			Hint:  "/listeners of its Envoy; one that waits for a certificate is not there",
		},
		{
			ID: "sni-service", Hop: HopSNI, Test: testInboundService,
			Claim: "the producer's gateway serves the name that the consumer asks for",
			Hint:  "/clusters of its Envoy",
		},
	}
}

func testInboundConnected(l Link) *Broken {
	if !l.gatewayed() || !l.Inbound.Read || l.Inbound.Connected || l.Inbound.Known {
		return nil
	}
	return disconnected(l.Producer.Name, l.Inbound.Pod, l.dialled()...)
}

func testInboundListener(l Link) *Broken {
	if !l.gatewayed() || !l.Inbound.Read || l.Inbound.Listens {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: object("Pod", l.Inbound.Pod), Evidence: l.dialled(),
		Seen: fmt.Sprintf("the Envoy of the gateway of %s has no listener for peers", l.Producer.Name),
		Fix:  agentLog(),
	}
}

func testInboundService(l Link) *Broken {
	if !l.gatewayed() || !l.Inbound.Read || l.Inbound.Known {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: object("Pod", l.Inbound.Pod), Evidence: l.dialled(),
		Seen: fmt.Sprintf("the gateway of %s does not serve %s", l.Producer.Name, l.sni()),
		Fix:  agentLog(),
	}
}

// producerChecks are the end of the chain, with the places where a request stops
// when nothing that was read explains it.
func producerChecks() []Check {
	return []Check{
		{
			ID: "producer-pods", Hop: HopProducer, Test: testProducerPods,
			Claim: "the producer has a ready pod behind the Service",
			Hint:  "kubectl get pods in the verify namespace",
		},
		{
			ID: "producer-endpoints", Hop: HopProducer, Symptom: true, Test: testProducerEndpoints,
			Claim: "the producer's gateway knows the pod to forward to",
			Hint:  "/clusters of its Envoy",
		},
		{
			ID: "gateway-healthy", Hop: HopGateway, Symptom: true, Test: testHealthy,
			Claim: "the consumer's gateway finds the producer's in order",
			Hint:  "it checks it through TLS, and for some services down to a pod",
		},
		{
			ID: "producer-answers", Hop: HopProducer, Symptom: true, Test: testAnswers,
			Claim: "the producer's pod answers what reaches it",
			Hint:  "logs of the gateways on both sides",
		},
	}
}

func testProducerPods(l Link) *Broken {
	if l.Producer.Pod.Ready {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "Pod " + l.Namespace + "/" + l.Producer.Pod.Name,
		Seen: fmt.Sprintf("the pod in %s is not ready: %s", l.Producer.Name, l.Producer.Pod.State),
		Fix:  fmt.Sprintf("kubectl -n %s describe pod in %s (run verify with --keep to look at it)", l.Namespace, l.Producer.Name),
	}
}

func testProducerEndpoints(l Link) *Broken {
	if !l.gatewayed() || !l.Inbound.Read || !l.Inbound.Known || len(l.Inbound.Hosts) > 0 {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: object("Pod", l.Inbound.Pod), Evidence: l.dialled(),
		Seen: fmt.Sprintf("the gateway of %s has no endpoint for %s", l.Producer.Name, l.sni()),
		Fix:  agentLog(),
	}
}

func testHealthy(l Link) *Broken {
	hosts := slices.Concat(l.Egress.Hosts, l.Egress.Peers)
	if !l.gatewayed() || len(hosts) == 0 || slices.ContainsFunc(l.Egress.Hosts, func(h envoy.Host) bool { return h.Healthy }) {
		return nil
	}
	b := &Broken{
		Cluster: l.Producer.Name, Object: object("Service", facts.GatewayName), Evidence: l.dialled(),
		Seen: l.seenHosts(),
		Fix: fmt.Sprintf("see the logs of both gateways: kubectl -n %s logs deployment/%s in %s and %s",
			facts.Namespace, facts.GatewayName, l.Consumer.Name, l.Producer.Name),
	}
	for _, h := range l.Egress.Peers {
		word := "unhealthy"
		if h.Healthy {
			word = "healthy"
		}
		b.Evidence = append(b.Evidence, fmt.Sprintf("its check of the gateway %s itself: %s", h.Address, word))
	}
	return b
}

func testAnswers(l Link) *Broken {
	b := &Broken{
		Cluster: l.Producer.Name, Object: "Pod " + l.Namespace + "/" + l.Producer.Pod.Name,
		Seen:     fmt.Sprintf("a request from %s to %s: %s", l.Consumer.Name, l.Producer.Name, l.Answer.Failure()),
		Evidence: append([]string{l.seenHosts()}, l.dialled()...),
		Fix: fmt.Sprintf("look at the gateways of both sides and the pod (run verify with --keep): kubectl -n %s logs deployment/%s",
			facts.Namespace, facts.GatewayName),
	}
	if l.Answer.Detail != "" {
		b.Evidence = append(b.Evidence, "curl: "+l.Answer.Detail)
	}
	return b
}
