package translate

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rawv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

const (
	connectTimeout = time.Second
	// breaker bounds connections and requests of one cluster. Envoy's own bound of
	// 1,024 connections would refuse what a busy service does every day; this one
	// ends a runaway before the gateway's memory does.
	breaker = 100_000
	// retries bounds those that are under way at once.
	retries = 1_000
	// ejection is how long an endpoint is left out after three connections failed.
	// It is let back in untried, so that too short a time fails connections again.
	ejection = 30 * time.Second
	// affinityTable is the size of the table that leads a client's address to an
	// endpoint: a prime, large beside the number of endpoints, and small beside Envoy's
	// own 65,537, of which each such service would have one.
	affinityTable = 5003
	// panicPercent is the share of healthy endpoints below which health is ignored.
	// Envoy's own half would send traffic to the dead ones when two of three
	// members are lost; with next to nobody healthy trying is better than refusing.
	panicPercent = 1
)

// inboundCluster leads from the inbound listener to the own member's pods.
func inboundCluster(key model.PortKey, port model.Port) *clusterv3.Cluster {
	return newCluster(InboundName(key), port)
}

// egressCluster leads to all members' endpoints: own network's in clear, others'
// by their gateways. Every exporter has its match, whether it has an endpoint at
// the moment or not, so that the cluster stays the same when endpoints come and go.
//
// Where the service has affinity, connections of one client go to one endpoint for as
// long as the endpoints are the same, which is for longer than was asked for. On another
// network that is one member: behind its gateways all clients look alike.
func egressCluster(view *model.View, service *model.Service, key model.PortKey, port model.Port, from model.Vantage, options Options) *clusterv3.Cluster {
	cluster := newCluster(EgressName(key), port)
	if service.Traits.ClientIP {
		cluster.LbPolicy = clusterv3.Cluster_MAGLEV
		cluster.LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{TableSize: wrapperspb.UInt64(affinityTable)}}
	}
	alpn := alpnIstio
	if speaksHTTP(port) {
		alpn = alpnHTTP
	}
	matched := map[model.MemberName]bool{}
	for _, name := range service.Exporters {
		matched[name] = true
	}
	for _, member := range membersOf(view) {
		if to, dialled := remoteOf(member, from, options); dialled && matched[member.Name] {
			cluster.TransportSocketMatches = append(cluster.TransportSocketMatches, gatewayMatch(to, InboundName(key), alpn))
		}
	}
	if len(cluster.TransportSocketMatches) > 0 {
		cluster.TransportSocketMatches = append(cluster.TransportSocketMatches, rawMatch)
		cluster.HealthChecks = throughGateway(options.EndToEnd[key])
	}
	return cluster
}

// peerCluster checks a member's gateways and carries nothing.
func peerCluster(to remote) *clusterv3.Cluster {
	cluster := newCluster(PeerName(to.name), model.Port{})
	cluster.TransportSocketMatches = []*clusterv3.Cluster_TransportSocketMatch{gatewayMatch(to, peerSNI, alpnCheck)}
	cluster.HealthChecks = ofGateway
	return cluster
}

// alike is what all clusters have alike. There are as many of them as ports, so that its
// parts are made once and shared: nobody changes them.
var alike = &clusterv3.Cluster{
	ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
	ConnectTimeout:       durationpb.New(connectTimeout),
	CommonLbConfig:       &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{Value: panicPercent}},
	OutlierDetection:     outlierDetection(),
	CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     wrapperspb.UInt32(breaker),
		MaxPendingRequests: wrapperspb.UInt32(breaker),
		MaxRequests:        wrapperspb.UInt32(breaker),
		MaxRetries:         wrapperspb.UInt32(retries),
	}}},
	// An open connection to a host that vanished would otherwise never end, as
	// connections may be quiet for as long as they like.
	UpstreamConnectionOptions: &clusterv3.UpstreamConnectionOptions{TcpKeepalive: keepalive},
	// Removed endpoints would stay in use until a check of them fails.
	IgnoreHealthOnHostRemoval: true,
	// Only those that speak HTTP have these.
	TypedExtensionProtocolOptions: map[string]*anypb.Any{
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(sameProtocol()),
	},
}

// newCluster is alike with a name. Endpoints get their whole share at once: with Envoy's
// slow start, shares stayed a fifth off long after it was over.
func newCluster(name string, port model.Port) *clusterv3.Cluster {
	cluster := &clusterv3.Cluster{
		Name:                      name,
		ClusterDiscoveryType:      alike.ClusterDiscoveryType,
		EdsClusterConfig:          &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads},
		ConnectTimeout:            alike.ConnectTimeout,
		CommonLbConfig:            alike.CommonLbConfig,
		OutlierDetection:          alike.OutlierDetection,
		CircuitBreakers:           alike.CircuitBreakers,
		UpstreamConnectionOptions: alike.UpstreamConnectionOptions,
		IgnoreHealthOnHostRemoval: alike.IgnoreHealthOnHostRemoval,
	}
	if speaksHTTP(port) {
		cluster.TypedExtensionProtocolOptions = alike.TypedExtensionProtocolOptions
	}
	return cluster
}

// outlierDetection counts failures to connect and nothing else: an application's
// errors say nothing about the endpoint, and behind a gateway are many.
func outlierDetection() *clusterv3.OutlierDetection {
	never := wrapperspb.UInt32(0)
	return &clusterv3.OutlierDetection{
		SplitExternalLocalOriginErrors:  true,
		ConsecutiveLocalOriginFailure:   wrapperspb.UInt32(3),
		BaseEjectionTime:                durationpb.New(ejection),
		MaxEjectionPercent:              wrapperspb.UInt32(100),
		EnforcingConsecutive_5Xx:        never,
		EnforcingSuccessRate:            never,
		EnforcingLocalOriginSuccessRate: never,
	}
}

// keepalive notices a vanished peer of a quiet connection within half a minute.
var keepalive = &corev3.TcpKeepalive{
	KeepaliveTime:     wrapperspb.UInt32(15),
	KeepaliveInterval: wrapperspb.UInt32(5),
	KeepaliveProbes:   wrapperspb.UInt32(3),
}

// sameProtocol speaks to pods what the client spoke, HTTP/1.1 or HTTP/2.
func sameProtocol() *httpv3.HttpProtocolOptions {
	return &httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_UseDownstreamProtocolConfig{
			UseDownstreamProtocolConfig: &httpv3.HttpProtocolOptions_UseDownstreamHttpConfig{
				HttpProtocolOptions:  &corev3.Http1ProtocolOptions{},
				Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
			},
		},
	}
}

// gatewayMatch is TLS towards one member's gateways, and towards nobody else's.
func gatewayMatch(to remote, sni, alpn string) *clusterv3.Cluster_TransportSocketMatch {
	return &clusterv3.Cluster_TransportSocketMatch{
		Name:            "gateway-" + string(to.name),
		Match:           viaGateway(to.name),
		TransportSocket: upstream(to.identity, sni, alpn),
	}
}

// viaGateway marks endpoints that are gateways of a member.
func viaGateway(name model.MemberName) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{"gateway": structpb.NewStringValue(string(name))}}
}

// rawMatch is everything else: pods of the own network.
var rawMatch = &clusterv3.Cluster_TransportSocketMatch{
	Name:  "raw",
	Match: &structpb.Struct{},
	TransportSocket: &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.raw_buffer",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: pack(&rawv3.RawBuffer{})},
	},
}
