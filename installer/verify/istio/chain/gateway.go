package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func gatewayChecks() []Check {
	return []Check{
		{
			ID: "gateway-same-network", Hop: HopGateway, Test: testSameNetwork,
			Claim: "members on one network reach each other's pods directly",
			Hint:  "equal network names mean 'same network' to istiod, which then never uses the gateway",
		},
		{
			ID: "gateway-service", Hop: HopGateway, Test: testService,
			Claim: "the producer has an east-west gateway Service with port 15443",
			Hint:  "kubectl get svc -A -l topology.istio.io/network",
		},
		{
			ID: "gateway-network", Hop: HopGateway, Test: testNetwork,
			Claim: "the gateway Service carries the network of the producer's pods",
			Hint:  "label topology.istio.io/network on the Service, the namespace of istiod and values.global.network",
		},
		{
			ID: "gateway-address", Hop: HopGateway, Test: testAddress,
			Claim: "the gateway Service has an address",
			Hint:  "without one, consumers are sent to pod addresses they cannot reach",
		},
		{
			ID: "gateway-current", Symptom: true, Hop: HopGateway, Test: testCurrent,
			Claim: "the consumer dials the address that the gateway Service has now",
			Hint:  "an istiod can go on with an address that its Service has lost",
		},
		{
			ID: "gateway-pods", Hop: HopGateway, Test: testGatewayPods,
			Claim: "the gateway has a ready pod",
			Hint:  "kubectl -n istio-system get pods -l istio=eastwestgateway",
		},
		{
			ID: "gateway-tcp", Hop: HopGateway, Test: testTCP,
			Claim: "pods of the consumer connect to the gateway's address",
			Hint:  "firewalls, security groups, load balancer source ranges",
		},
	}
}

// serving is the producer's gateways behind the endpoints the consumer has;
// where an address is a name that istiod resolved, all of its network.
func (l Link) serving() []facts.Gateway {
	var exact []facts.Gateway
	for _, g := range l.gateways() {
		for _, e := range l.remote() {
			if slices.Contains(g.Addresses, e.Address) {
				exact = append(exact, g)
				break
			}
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return l.gateways()
}

func testGatewayPods(l Link) *Broken {
	if len(l.remote()) == 0 || l.anyDial() {
		return nil
	}
	serving := l.serving()
	if len(serving) == 0 || slices.ContainsFunc(serving, func(g facts.Gateway) bool { return len(g.Ready()) > 0 }) {
		return nil
	}
	g := serving[0]
	seen := "no pod is behind the gateway Service"
	if len(g.Pods) > 0 {
		seen = fmt.Sprintf("none of the %d gateway pods is ready", len(g.Pods))
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "Service " + g.String(),
		Final: len(g.Pods) == 0, // one that is there may still become ready
		Seen:  seen, Evidence: append([]string{l.seenEndpoints()}, l.dialled()...),
		Fix: fmt.Sprintf("bring the gateway of %s up: kubectl -n %s get deploy,pods -l %s", l.Producer.Name, g.Namespace, labelText(g.Selector)),
	}
}

// anyDial says that some address of the gateway could be connected to.
func (l Link) anyDial() bool {
	return slices.ContainsFunc(l.remote(), func(e envoy.Endpoint) bool { return l.Dials[e.String()].Connected() })
}

// dialled is the outcome of every probe, as evidence.
func (l Link) dialled() []string {
	var all []string
	for address, answer := range l.Dials {
		word := "connected"
		if !answer.Connected() {
			word = answer.Failure()
		}
		all = append(all, fmt.Sprintf("TCP from a pod of %s to %s: %s", l.Consumer.Name, address, word))
	}
	slices.Sort(all)
	return all
}

func testTCP(l Link) *Broken {
	var bad []envoy.Endpoint
	for _, e := range l.remote() {
		if answer, tried := l.Dials[e.String()]; tried && !answer.Connected() {
			bad = append(bad, e)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	answer := l.Dials[bad[0].String()]
	refused := answer.Exit == traffic.ExitConnect
	if refused && l.deaf() {
		return nil // nothing listens since nothing is exposed: the sni hop tells
	}
	b := &Broken{
		Cluster: l.Producer.Name, Final: true,
		Seen:     fmt.Sprintf("a pod of %s cannot connect to %s: %s", l.Consumer.Name, addresses(bad), answer.Failure()),
		Evidence: append([]string{l.seenEndpoints()}, l.dialled()...),
		Fix: fmt.Sprintf("open TCP %s from the nodes of %s to the gateway of %s: firewall, security group, loadBalancerSourceRanges",
			addresses(bad), l.Consumer.Name, l.Producer.Name),
	}
	if serving := l.serving(); len(serving) > 0 {
		b.Object = "Service " + serving[0].String()
	}
	if refused {
		b.Fix = fmt.Sprintf("see what answers at %s: it is no gateway of %s that listens; compare with kubectl get svc -A -l %s",
			addresses(bad), l.Producer.Name, facts.NetworkLabel)
	}
	return b
}

func labelText(labels map[string]string) string {
	var all []string
	for key, value := range labels {
		all = append(all, key+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}
