package chain_test

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func TestGatewayHop(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"a revoked token does not explain a firewall": {
			func(l *chain.Link) { l.Credential.Status = 401; l.Dials[gatewayAt+":15443"] = timeout }, verdict{"gateway-tcp", "west", true},
		},
		"one network name for two networks": {
			func(l *chain.Link) { direct(l); l.Producer.Network = "net-east" }, verdict{"gateway-same-network", "west", true},
		},
		"no gateway at all": {
			func(l *chain.Link) { direct(l); l.Producer.Facts.Gateways = nil }, verdict{"gateway-service", "west", true},
		},
		"a gateway Service without its port": {
			func(l *chain.Link) { direct(l); l.Producer.Facts.Gateways[0].Port = 0 }, verdict{"gateway-service", "west", true},
		},
		"a wrong network label on the gateway": {
			func(l *chain.Link) { direct(l); l.Producer.Facts.Gateways[0].Network = "net-wrong" }, verdict{"gateway-network", "west", true},
		},
		"no network label on the gateway": {
			func(l *chain.Link) { direct(l); l.Producer.Facts.Gateways[0].Network = "" }, verdict{"gateway-network", "west", true},
		},
		"a gateway Service without an address": {
			func(l *chain.Link) { direct(l); l.Producer.Facts.Gateways[0].Addresses = nil }, verdict{"gateway-address", "west", true},
		},
		"a gateway Service that lost its address": {
			func(l *chain.Link) {
				l.Producer.Facts.Gateways[0].Addresses, l.Dials[gatewayAt+":15443"] = nil, timeout
			}, verdict{"gateway-address", "west", true},
		},
		"a gateway whose address is declared in the consumer": {
			func(l *chain.Link) {
				l.Producer.Facts.Gateways[0].Addresses, l.Dials[gatewayAt+":15443"] = nil, timeout
				l.Consumer.Facts.Declared = []facts.Declared{{Network: "net-west", Address: gatewayAt, Port: 15443}}
			}, verdict{"gateway-tcp", "west", true},
		},
		"a gateway behind the ports of nodes": {
			func(l *chain.Link) {
				g := &l.Producer.Facts.Gateways[0]
				g.Addresses, g.NodePort, l.Dials[gatewayAt+":15443"] = nil, 31443, timeout
			}, verdict{"gateway-tcp", "west", true},
		},
		"gateway scaled to zero": {
			func(l *chain.Link) {
				l.Producer.Facts.Gateways[0].Pods, l.Dials[gatewayAt+":15443"] = nil, traffic.Answer{Exit: traffic.ExitConnect}
			}, verdict{"gateway-pods", "west", true},
		},
		"gateway pods that may still become ready": {
			func(l *chain.Link) {
				l.Producer.Facts.Gateways[0].Pods[0].Ready, l.Dials[gatewayAt+":15443"] = false, timeout
			}, verdict{"gateway-pods", "west", false},
		},
		"a firewall drops 15443": {
			func(l *chain.Link) { l.Dials[gatewayAt+":15443"] = timeout }, verdict{"gateway-tcp", "west", true},
		},
		"something refuses 15443 though the gateway listens": {
			func(l *chain.Link) { l.Dials[gatewayAt+":15443"] = traffic.Answer{Exit: traffic.ExitConnect} }, verdict{"gateway-tcp", "west", true},
		},
	})
}

func TestSNIHop(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"nothing is exposed": {
			func(l *chain.Link) { unlistened(l); l.Producer.Facts.Exposures = nil }, verdict{"sni-exposed", "west", true},
		},
		"the exposed hosts leave the Service out": {
			func(l *chain.Link) { l.Producer.Facts.Exposures[0].Hosts = []string{"*.shop.svc.cluster.local"} }, verdict{"sni-exposed", "west", true},
		},
		"the exposure selects other pods": {
			func(l *chain.Link) {
				l.Producer.Facts.Exposures[0].Selector = map[string]string{"istio": "ingressgateway"}
			}, verdict{"sni-exposed", "west", true},
		},
		"the gateway refused its configuration": {
			func(l *chain.Link) {
				l.Passthrough.Listeners = []envoy.Listener{{Name: "0.0.0.0_15443", Rejected: "duplicate matcher"}}
			},
			verdict{"sni-accepted", "west", true},
		},
		"the gateway does not listen yet": {unlistened, verdict{"sni-listener", "west", false}},
		"the gateway has no filter chain yet": {
			func(l *chain.Link) { l.Passthrough.Listeners[0].ServerNames = nil }, verdict{"sni-chain", "west", false},
		},
		"the gateway has no endpoint": {
			func(l *chain.Link) { l.Passthrough.Endpoints = nil }, verdict{"sni-endpoints", "west", false},
		},
	})
}
