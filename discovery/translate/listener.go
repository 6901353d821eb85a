package translate

import (
	"net/netip"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// connectAttempts is how many endpoints are tried for one connection.
const connectAttempts = 3

// egressListener leads from a port of the gateway to a service. It holds nothing
// that changes during the service's life: a changed listener cuts connections.
func egressListener(listens uint16, key model.PortKey, port model.Port, options Options) *listenerv3.Listener {
	filter := networkFilter("envoy.filters.network.tcp_proxy", egressTCP(key))
	if speaksHTTP(port) {
		filter = networkFilter("envoy.filters.network.http_connection_manager", egressHTTP(key))
	}
	return &listenerv3.Listener{
		Name:             EgressListener(listens),
		StatPrefix:       EgressListener(listens),
		Address:          socketAddress(options.bind(), listens),
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
		TcpKeepalive:     keepalive,
		FilterChains:     []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{filter}}},
	}
}

// egressTCP carries bytes. Quiet connections are never cut: whether the peer is
// there is seen by keepalive. The hash is of use to clusters with affinity alone, and is
// always there since what changes a listener cuts connections.
func egressTCP(key model.PortKey) *tcpv3.TcpProxy {
	return &tcpv3.TcpProxy{
		StatPrefix:         "egress",
		ClusterSpecifier:   &tcpv3.TcpProxy_Cluster{Cluster: EgressName(key)},
		IdleTimeout:        durationpb.New(0),
		MaxConnectAttempts: wrapperspb.UInt32(connectAttempts),
		HashPolicy:         []*typev3.HashPolicy{{PolicySpecifier: &typev3.HashPolicy_SourceIp_{SourceIp: &typev3.HashPolicy_SourceIp{}}}},
	}
}

func networkFilter(name string, config proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: pack(config)}}
}

func socketAddress(ip netip.Addr, port uint16) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       ip.String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
		Ipv4Compat:    ip == netip.IPv6Unspecified(),
	}}}
}

func seconds(n int) *durationpb.Duration { return durationpb.New(time.Duration(n) * time.Second) }
