package chain

import (
	"fmt"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

func derivedChecks() []Check {
	return []Check{
		{
			ID: "derived-service", Hop: HopDerived, Test: testDerived,
			Claim: "the consumer has a derived Service for the exported one",
			Hint:  "kubectl get svc -A -l eastwest.dev/derived=true",
		},
		{
			ID: "derived-endpoints", Hop: HopDerived, Test: testBehind,
			Claim: "something is behind the derived Service",
			Hint:  "its EndpointSlices hold the gateway's pods, or pods of the own network",
		},
		{
			ID: "derived-pods", Hop: HopDerived, Symptom: true, Test: testDirect,
			Claim: "members on one network reach each other's pods directly",
			Hint:  "equal network names mean 'same network' to the agent, which then never uses the gateway",
		},
	}
}

func agentLog() string {
	return fmt.Sprintf("see the log of the agent: kubectl -n %s logs deployment/%s", facts.Namespace, facts.AgentName)
}

func testDerived(l Link) *Broken {
	if _, found := l.derived(); found || !l.Consumer.Facts.Knows(facts.PartDerived) {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Namespace " + l.Namespace,
		Seen: fmt.Sprintf("the agent of %s has made no derived Service for %s, which %s exports", l.Consumer.Name, l.Service, l.Producer.Name),
		Fix:  agentLog(),
	}
}

// gatewayed says that the derived Service leads, or should lead, to the local
// gateway.
func (l Link) gatewayed() bool {
	_, found := l.derived()
	return found && !l.Self() && !l.direct()
}

func testBehind(l Link) *Broken {
	d, found := l.derived()
	if !found || len(d.Endpoints) > 0 || l.gatewayed() && len(l.Consumer.Facts.Gateway.Ready()) == 0 {
		return nil // a gateway without pods is told by its own check
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Service " + d.String(),
		Seen: "no ready address is behind the derived Service", Fix: agentLog(),
	}
}

func testDirect(l Link) *Broken {
	d, _ := l.derived()
	if l.Self() || !l.direct() || l.Answer.Connected() {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "Service " + d.String(),
		Seen: fmt.Sprintf("%s and %s have one network name, but pods of one do not reach pods of the other: %s",
			l.Consumer.Name, l.Producer.Name, l.Answer.Failure()),
		Evidence: []string{l.seenHosts()},
		Fix:      fmt.Sprintf("route between the pod networks, or give %s a network name of its own in the mesh file", l.Producer.Name),
	}
}

func egressChecks() []Check {
	return []Check{
		{
			ID: "egress-pods", Hop: HopEgress, Test: testEgressPods,
			Claim: "the consumer's own gateway has a ready pod",
			Hint:  "imported services are called through it",
		},
		{
			ID: "egress-connected", Hop: HopEgress, Test: testEgressConnected,
			Claim: "the consumer's gateway is connected to its agent",
			Hint:  "control_plane.connected_state of its Envoy",
		},
		{
			ID: "egress-listener", Hop: HopEgress, Symptom: true, Test: testEgressListener,
			Claim: "the consumer's gateway listens on the port behind the derived Service",
			Hint:  "/listeners of its Envoy",
		},
		{
			ID: "egress-endpoints", Hop: HopEgress, Symptom: true, Test: testEgressEndpoints,
			Claim: "the consumer's gateway has an endpoint of the producer",
			Hint:  "/clusters of its Envoy",
		},
	}
}

func testEgressPods(l Link) *Broken {
	gateway := l.Consumer.Facts.Gateway
	if !l.gatewayed() || !l.Consumer.Facts.Knows(facts.PartGateway) || len(gateway.Ready()) > 0 {
		return nil
	}
	b := noGatewayPods(l.Consumer.Name, gateway)
	b.Seen = "calls leave through the own gateway of " + l.Consumer.Name + ": " + b.Seen
	return b
}

// noGatewayPods is the verdict on a gateway that has no ready pod.
func noGatewayPods(cluster string, gateway *facts.Gateway) *Broken {
	b := &Broken{
		Cluster: cluster, Object: object("Deployment", facts.GatewayName),
		Seen: "no pod of it runs", Final: true,
		Fix: fmt.Sprintf("bring the gateway of %s up: kubectl -n %s get deployment,pods -l app=%s", cluster, facts.Namespace, facts.GatewayName),
	}
	switch {
	case gateway == nil:
		b.Object, b.Seen = object("Service", facts.GatewayName), "it has none"
		b.Fix = "run eastwest up: it brings the gateway"
	case len(gateway.Pods) > 0:
		b.Final = false // one that is there may still become ready
		b.Seen = fmt.Sprintf("none of its %d pods is ready", len(gateway.Pods))
	}
	return b
}

func testEgressConnected(l Link) *Broken {
	if !l.gatewayed() || !l.Egress.Read || l.Egress.Connected || len(l.Egress.Hosts) > 0 && l.Egress.Listens {
		return nil
	}
	return disconnected(l.Consumer.Name, l.Egress.Pod, l.seenHosts())
}

func disconnected(cluster, pod string, evidence ...string) *Broken {
	return &Broken{
		Cluster: cluster, Object: object("Pod", pod), Evidence: evidence,
		Seen: fmt.Sprintf("the Envoy of gateway pod %s in %s has no stream to the agent", pod, cluster),
		Fix:  fmt.Sprintf("see both logs: kubectl -n %s logs %s, and of deployment/%s", facts.Namespace, pod, facts.AgentName),
	}
}

func testEgressListener(l Link) *Broken {
	d, found := l.derived()
	if !found || !l.gatewayed() || !l.Egress.Read || l.Egress.Listens {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: object("Pod", l.Egress.Pod),
		Seen: fmt.Sprintf("the Envoy of the gateway of %s has no listener on port %d, to which Service %s leads", l.Consumer.Name, d.Target, d),
		Fix:  agentLog(),
	}
}

func testEgressEndpoints(l Link) *Broken {
	if !l.gatewayed() || !l.Egress.Read || len(l.Egress.Hosts) > 0 {
		return nil
	}
	b := &Broken{
		Cluster: l.Consumer.Name, Object: object("Pod", l.Egress.Pod), Seen: l.seenHosts(),
		Fix: fmt.Sprintf("see what the agent of %s says of %s: kubectl -n %s logs deployment/%s", l.Consumer.Name, l.Producer.Name, facts.Namespace, facts.AgentName),
	}
	if len(l.Egress.Peers) == 0 {
		b.Evidence = append(b.Evidence, fmt.Sprintf("it knows no gateway of %s at all", l.Producer.Name))
	}
	return b
}
