package chain

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func gatewayChecks() []Check {
	return []Check{
		{
			ID: "gateway-service", Hop: HopGateway, Test: testService,
			Claim: "the producer has a gateway Service with port 15443",
			Hint:  "kubectl -n eastwest-system get svc eastwest-gateway",
		},
		{
			ID: "gateway-address", Hop: HopGateway, Test: testAddress,
			Claim: "the producer's gateway has an address",
			Hint:  "a load balancer's, or one advertised by hand",
		},
		{
			ID: "gateway-pods", Hop: HopGateway, Test: testPods,
			Claim: "the producer's gateway has a ready pod",
			Hint:  "kubectl -n eastwest-system get pods -l app=eastwest-gateway",
		},
		{
			ID: "gateway-tcp", Hop: HopGateway, Test: testTCP,
			Claim: "pods of the consumer connect to the producer's gateway",
			Hint:  "firewalls, security groups, load balancer source ranges",
		},
		{
			ID: "gateway-current", Hop: HopGateway, Symptom: true, Test: testCurrent,
			Claim: "the consumer dials the address that the producer's gateway has now",
			Hint:  "the agent follows the gateway's Service as long as it reads the producer",
		},
	}
}

// advertised are the addresses by which the consumer was told to dial.
func (l Link) advertised() []string {
	record, _ := l.Consumer.Facts.Record(l.Producer.Name)
	return record.Advertised
}

func testService(l Link) *Broken {
	gateway := l.Producer.Facts.Gateway
	if !l.gatewayed() || !l.Producer.Facts.Knows(facts.PartGateway) || len(l.advertised()) > 0 || gateway != nil && gateway.Port != 0 {
		return nil
	}
	b := &Broken{
		Cluster: l.Producer.Name, Object: object("Service", facts.GatewayName), Final: true, Evidence: []string{l.seenHosts()},
		Seen: l.Producer.Name + " has no gateway Service", Fix: "run eastwest up: it brings the gateway",
	}
	if gateway != nil {
		b.Seen = fmt.Sprintf("Service %s of %s has no port %d", gateway, l.Producer.Name, facts.TLSPort)
	}
	return b
}

func testAddress(l Link) *Broken {
	gateway := l.Producer.Facts.Gateway
	if !l.gatewayed() || gateway == nil || len(l.advertised()) > 0 || len(gateway.Addresses) > 0 || l.anyDial() {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "Service " + gateway.String(), Final: true, Evidence: []string{l.seenHosts()},
		Seen: fmt.Sprintf("the gateway Service of %s (type %s) has no address", l.Producer.Name, gateway.Type),
		Fix: fmt.Sprintf("give Service %s in %s an address: a load balancer controller, spec.externalIPs, or an advertised address in the mesh file",
			gateway, l.Producer.Name),
	}
}

func testPods(l Link) *Broken {
	gateway := l.Producer.Facts.Gateway
	// A balancer may accept connections that no pod will take.
	if !l.gatewayed() || gateway == nil || len(gateway.Ready()) > 0 {
		return nil
	}
	b := noGatewayPods(l.Producer.Name, gateway)
	b.Seen = "the gateway of " + l.Producer.Name + " takes no calls: " + b.Seen
	b.Evidence = append([]string{l.seenHosts()}, l.dialled()...)
	return b
}

func testTCP(l Link) *Broken {
	var bad []string
	for address, answer := range l.Dials {
		if !answer.Connected() {
			bad = append(bad, address)
		}
	}
	if !l.gatewayed() || len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	answer, where := l.Dials[bad[0]], strings.Join(bad, ", ")
	if answer.Exit == traffic.ExitConnect && l.Inbound.Read && !l.Inbound.Listens {
		return nil // nothing listens, as nobody is let in or nothing was learnt: later hops tell
	}
	b := &Broken{
		Cluster: l.Producer.Name, Object: object("Service", facts.GatewayName), Final: answer.Exit != traffic.ExitConnect,
		Seen:     fmt.Sprintf("a pod of %s cannot connect to %s, the gateway of %s: %s", l.Consumer.Name, where, l.Producer.Name, answer.Failure()),
		Evidence: append([]string{l.seenHosts()}, l.dialled()...),
		Fix: fmt.Sprintf("open TCP %s from the nodes of %s to the gateway of %s: firewall, security group, loadBalancerSourceRanges",
			where, l.Consumer.Name, l.Producer.Name),
	}
	if gateway := l.Producer.Facts.Gateway; gateway != nil && len(gateway.SourceRanges) > 0 {
		b.Evidence = append(b.Evidence, "source ranges of the Service: "+strings.Join(gateway.SourceRanges, ", "))
	}
	if answer.Exit == traffic.ExitConnect {
		b.Fix = fmt.Sprintf("see what answers at %s: no gateway of %s listens there; kubectl -n %s get svc,pods", where, l.Producer.Name, facts.Namespace)
	}
	return b
}

// testCurrent compares addresses only where all are IPs, and none was said by hand.
func testCurrent(l Link) *Broken {
	gateway := l.Producer.Facts.Gateway
	if !l.gatewayed() || gateway == nil || len(l.advertised()) > 0 || len(l.Egress.Hosts) == 0 || len(gateway.Addresses) == 0 {
		return nil
	}
	if slices.ContainsFunc(gateway.Addresses, func(a string) bool { return net.ParseIP(a) == nil }) ||
		slices.ContainsFunc(l.Egress.Hosts, func(h envoy.Host) bool {
			host, _, _ := net.SplitHostPort(h.Address)
			return slices.Contains(gateway.Addresses, host)
		}) {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Service " + gateway.String(), Evidence: append([]string{l.seenHosts()}, l.dialled()...),
		Seen: fmt.Sprintf("the gateway Service of %s has %s, which %s does not dial", l.Producer.Name, strings.Join(gateway.Addresses, ", "), l.Consumer.Name),
		Fix:  "see why the agent of " + l.Consumer.Name + " does not follow: kubectl -n " + facts.Namespace + " logs deployment/" + facts.AgentName,
	}
}
