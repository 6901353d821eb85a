package chain_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/chain"
)

func TestTheProducersSide(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"no gateway": {
			func(l *chain.Link) { l.Producer.Facts.Gateway = nil; l.Egress.Hosts = nil }, verdict{"gateway-service", "west", true},
		},
		"a gateway without an address": {
			func(l *chain.Link) { l.Producer.Facts.Gateway.Addresses, l.Egress.Hosts, l.Dials = nil, nil, nil }, verdict{"gateway-address", "west", true},
		},
		"an address that was advertised by hand": {
			func(l *chain.Link) {
				l.Producer.Facts.Gateway.Addresses, l.Consumer.Facts.Records[0].Advertised = nil, []string{gatewayAt}
			}, verdict{"producer-answers", "west", false},
		},
		"no gateway pod": {
			func(l *chain.Link) { l.Producer.Facts.Gateway.Pods, l.Dials[gatewayAt] = nil, refused }, verdict{"gateway-pods", "west", true},
		},
		"a firewall": {
			func(l *chain.Link) { l.Dials[gatewayAt] = timeout; unhealthy(l) }, verdict{"gateway-tcp", "west", true},
		},
		"something else at the address": {
			func(l *chain.Link) { l.Dials[gatewayAt] = refused; unhealthy(l) }, verdict{"gateway-tcp", "west", false},
		},
		"an address of before": {
			func(l *chain.Link) { l.Producer.Facts.Gateway.Addresses = []string{"172.30.0.199"} }, verdict{"gateway-current", "east", false},
		},
		"two roots": {
			func(l *chain.Link) {
				l.Producer.Facts.Authority.Roots = []*x509.Certificate{root("two")}
				unhealthy(l)
			}, verdict{"certificate-roots", "west", true},
		},
		"a CA that expired": {
			func(l *chain.Link) { l.Consumer.Facts.Authority.Expiry = epoch.Add(-time.Hour); unhealthy(l) }, verdict{"certificate-valid", "east", true},
		},
		"a producer that does not know the consumer": {
			func(l *chain.Link) { l.Producer.Facts.Records = nil; unhealthy(l) }, verdict{"certificate-admitted", "west", true},
		},
		"a producer that knows nobody, and so does not listen": {
			func(l *chain.Link) {
				l.Producer.Facts.Records, l.Inbound.Listens, l.Dials[gatewayAt] = nil, false, refused
				unhealthy(l)
			}, verdict{"certificate-admitted", "west", true},
		},
		"certificates that are refused": {
			func(l *chain.Link) { l.Egress.Refused = 3; unhealthy(l) }, verdict{"certificate-accepted", "east", false},
		},
		"the producer's gateway lost its agent": {
			func(l *chain.Link) { l.Inbound.Connected, l.Inbound.Known = false, false; unhealthy(l) }, verdict{"sni-connected", "west", false},
		},
		"no listener for peers": {
			func(l *chain.Link) { l.Inbound.Listens, l.Dials[gatewayAt] = false, refused; unhealthy(l) }, verdict{"sni-listener", "west", false},
		},
		"the name is not served": {
			func(l *chain.Link) { l.Inbound.Known = false; unhealthy(l) }, verdict{"sni-service", "west", false},
		},
		"the pod is not ready": {
			func(l *chain.Link) { l.Producer.Pod.Ready, l.Inbound.Hosts = false, nil; unhealthy(l) }, verdict{"producer-pods", "west", false},
		},
		"no pod behind the name": {
			func(l *chain.Link) { l.Inbound.Hosts = nil; unhealthy(l) }, verdict{"producer-endpoints", "west", false},
		},
		"checks fail, and nothing says why": {unhealthy, verdict{"gateway-healthy", "west", false}},
		"nothing explains it":               {func(*chain.Link) {}, verdict{"producer-answers", "west", false}},
	})
}
