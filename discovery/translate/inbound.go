package translate

import (
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	snicv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/sni_cluster/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// maxClientHello is as much of a ClientHello as is read; a gateway's has some
// hundred bytes, with post-quantum keys two thousand.
const maxClientHello = 8 << 10

// Inbound is the listener that peers dial, and the secrets that say who may enter.
// It has three chains (bytes, requests, checks) for all services that admit every
// member's gateway, and three more for each service that does not, as the choice
// looks at the server's name before ALPN. There is no listener where nobody may
// enter.
func Inbound(view *model.View, from model.Vantage, options Options) Set {
	var set Set
	var chains []*listenerv3.FilterChain
	admit := func(name, secret string, serverNames, identities []string) {
		if len(serverNames) > 0 && len(identities) > 0 {
			chains = append(chains, chainsFor(name, serverNames, secret)...)
			set.Secrets = append(set.Secrets, clientsSecret(secret, identities, options))
		}
	}
	admit("open", ClientsSecret, []string{"*" + suffix}, clients(view, from, options))
	for _, key := range slices.SortedFunc(maps.Keys(options.Clients), model.ServiceKey.Compare) {
		identities, _ := clientsOf(view, key, from, options)
		admit(key.String(), clientsSecretOf(key), exportedNames(view, key, from), identities)
	}
	if len(chains) > 0 {
		set.Listeners = append(set.Listeners, inboundListener(chains, options))
	}
	return set
}

// exportedNames are the names under which peers ask for a service of the own
// member, in order.
func exportedNames(view *model.View, key model.ServiceKey, from model.Vantage) []string {
	service := view.Services.Get(key)
	if service == nil || !slices.Contains(service.Exporters, from.Member) || !model.IsLabel(key.Namespace) || !model.IsLabel(key.Name) {
		return nil
	}
	var names []string
	for _, port := range service.Ports {
		if port.Protocol == model.TCP {
			names = append(names, InboundName(model.PortKey{Service: key, Number: port.Number}))
		}
	}
	slices.Sort(names)
	return names
}

func inboundListener(chains []*listenerv3.FilterChain, options Options) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                   InboundListener,
		StatPrefix:             "in",
		Address:                socketAddress(options.bind(), InboundPort),
		TrafficDirection:       corev3.TrafficDirection_INBOUND,
		TcpKeepalive:           keepalive,
		ListenerFiltersTimeout: seconds(5),
		ListenerFilters: []*listenerv3.ListenerFilter{{
			Name: "envoy.filters.listener.tls_inspector",
			ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: pack(&inspectorv3.TlsInspector{
				MaxClientHelloSize:                        wrapperspb.UInt32(maxClientHello),
				CloseConnectionOnClientHelloParsingErrors: true,
			})},
		}},
		FilterChains: chains,
	}
}

// chainsFor are the chains for some server names, which admit whom a secret names.
func chainsFor(name string, serverNames []string, secret string) []*listenerv3.FilterChain {
	tcp := newChain(name+" tcp", serverNames, "", downstream(secret, []string{alpnIstio, "istio-peer-exchange", "h2"}))
	tcp.Filters = []*listenerv3.Filter{
		networkFilter("envoy.filters.network.sni_cluster", &snicv3.SniCluster{}),
		networkFilter("envoy.filters.network.tcp_proxy", inboundTCP()),
	}
	// No ALPN is agreed on: with one, Envoy would take it for HTTP/1.1 unseen, whereas
	// without it looks at what the peer sends. The choice is by what the peer offers.
	requests := newChain(name+" "+alpnHTTP, serverNames, alpnHTTP, downstream(secret, nil))
	requests.Filters = []*listenerv3.Filter{networkFilter("envoy.filters.network.http_connection_manager", inboundHTTP())}
	checks := newChain(name+" "+alpnCheck, serverNames, alpnCheck, downstream(secret, []string{alpnCheck}))
	checks.Filters = []*listenerv3.Filter{networkFilter("envoy.filters.network.http_connection_manager", inboundChecks())}
	return []*listenerv3.FilterChain{tcp, requests, checks}
}

// newChain is chosen by server name and, where alpn is not empty, by ALPN.
func newChain(name string, serverNames []string, alpn string, socket *corev3.TransportSocket) *listenerv3.FilterChain {
	match := &listenerv3.FilterChainMatch{TransportProtocol: "tls", ServerNames: serverNames}
	if alpn != "" {
		match.ApplicationProtocols = []string{alpn}
	}
	return &listenerv3.FilterChain{
		Name:                          name,
		FilterChainMatch:              match,
		TransportSocket:               socket,
		TransportSocketConnectTimeout: seconds(5),
	}
}

// inboundTCP goes to the cluster that the SNI names. By default it would connect
// to the pod before the handshake, for peers with any certificate or none.
func inboundTCP() *tcpv3.TcpProxy {
	return &tcpv3.TcpProxy{
		StatPrefix: "in",
		// There is no cluster of this name: it is where connections end that name none.
		ClusterSpecifier:    &tcpv3.TcpProxy_Cluster{Cluster: "none"},
		UpstreamConnectMode: tcpv3.UpstreamConnectMode_ON_DOWNSTREAM_TLS_HANDSHAKE,
		MaxEarlyDataBytes:   wrapperspb.UInt32(0),
		IdleTimeout:         durationpb.New(0),
		MaxConnectAttempts:  wrapperspb.UInt32(connectAttempts),
	}
}
