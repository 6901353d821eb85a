package translate

import (
	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	customv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/custom_response/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	localv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/custom_response/local_response_policy/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	previousv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// sniHeader carries the SNI to the route. It is set on every request before
// anything looks at it, so that a peer cannot say another one, and ends here.
const sniHeader = "x-sni"

// egressHTTP balances each request on its own.
func egressHTTP(key model.PortKey) *hcmv3.HttpConnectionManager {
	route := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: EgressName(key)},
		Timeout:          durationpb.New(0),
		RetryPolicy:      retry("connect-failure,refused-stream,unavailable,reset-before-request", 3),
		HashPolicy: []*routev3.RouteAction_HashPolicy{{PolicySpecifier: &routev3.RouteAction_HashPolicy_ConnectionProperties_{
			ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: true},
		}}},
	}
	manager := newManager("egress", hcmv3.HttpConnectionManager_AUTO, &routev3.Route{
		Match:  everyPath(),
		Action: &routev3.Route_Route{Route: route},
	})
	allowWebSockets(manager)
	// Old clients are answered, as they are without a gateway.
	manager.HttpProtocolOptions = &corev3.Http1ProtocolOptions{
		AcceptHttp_10: true, DefaultHostForHttp_10: key.Service.Name + "." + key.Service.Namespace,
	}
	return manager
}

// inboundHTTP sends each request to the cluster that the SNI names.
func inboundHTTP() *hcmv3.HttpConnectionManager {
	manager := newManager("in_http", hcmv3.HttpConnectionManager_AUTO, &routev3.Route{
		Match:                  everyPath(),
		Action:                 &routev3.Route_Route{Route: toSNI(durationpb.New(0))},
		RequestHeadersToRemove: []string{sniHeader},
	})
	manager.EarlyHeaderMutationExtensions = []*corev3.TypedExtensionConfig{setSNI()}
	allowWebSockets(manager)
	return manager
}

// inboundChecks answers the checks of peers. A check of a service is a connection
// to one of its pods, ended by the answer: a pod may keep its side open for ever.
func inboundChecks() *hcmv3.HttpConnectionManager {
	connect := toSNI(seconds(2))
	connect.UpgradeConfigs = []*routev3.RouteAction_UpgradeConfig{{
		UpgradeType: "CONNECT", ConnectConfig: &routev3.RouteAction_UpgradeConfig_ConnectConfig{AllowPost: true},
	}}
	manager := newManager("in_checks", hcmv3.HttpConnectionManager_HTTP1,
		&routev3.Route{
			Match:  exactPath(gatewayPath),
			Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 200}},
		},
		&routev3.Route{Match: exactPath(connectPath), Action: &routev3.Route_Route{Route: connect}},
	)
	manager.EarlyHeaderMutationExtensions = []*corev3.TypedExtensionConfig{setSNI()}
	manager.UpgradeConfigs = []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "CONNECT"}}
	manager.HttpFilters = append([]*hcmv3.HttpFilter{
		httpFilter("envoy.filters.http.health_check", failWhenDraining()),
		httpFilter("envoy.filters.http.custom_response", endOnSuccess()),
	}, manager.HttpFilters...)
	return manager
}

// newManager is what all connection managers share: the gateway stays unseen.
func newManager(prefix string, codec hcmv3.HttpConnectionManager_CodecType, routes ...*routev3.Route) *hcmv3.HttpConnectionManager {
	return &hcmv3.HttpConnectionManager{
		StatPrefix: prefix,
		CodecType:  codec,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
			Name:         prefix,
			VirtualHosts: []*routev3.VirtualHost{{Name: prefix, Domains: []string{"*"}, Routes: routes}},
		}},
		HttpFilters: []*hcmv3.HttpFilter{
			httpFilter("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}),
		},
		// A quiet stream is no dead one; Envoy would cut it after five minutes.
		StreamIdleTimeout:          durationpb.New(0),
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
		GenerateRequestId:          wrapperspb.Bool(false),
		SkipXffAppend:              true,
	}
}

func allowWebSockets(manager *hcmv3.HttpConnectionManager) {
	manager.UpgradeConfigs = []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}}
}

// toSNI routes by the header that setSNI sets.
func toSNI(timeout *durationpb.Duration) *routev3.RouteAction {
	return &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_ClusterHeader{ClusterHeader: sniHeader},
		Timeout:          timeout,
		RetryPolicy:      retry("connect-failure,refused-stream,reset-before-request", 2),
	}
}

func setSNI() *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{
		Name: "envoy.http.early_header_mutation.header_mutation",
		TypedConfig: pack(&earlyv3.HeaderMutation{Mutations: []*mutationv3.HeaderMutation{{
			Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
				Header:       &corev3.HeaderValue{Key: sniHeader, Value: "%REQUESTED_SERVER_NAME%"},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			}},
		}}}),
	}
}

// retry repeats what no pod has begun to work on, elsewhere.
func retry(on string, times uint32) *routev3.RetryPolicy {
	return &routev3.RetryPolicy{
		RetryOn:                       on,
		NumRetries:                    wrapperspb.UInt32(times),
		HostSelectionRetryMaxAttempts: 5,
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name: "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
				TypedConfig: pack(&previousv3.PreviousHostsPredicate{}),
			},
		}},
	}
}

// failWhenDraining fails every check as soon as the gateway is told that it will
// stop, so that peers go elsewhere while it still serves.
func failWhenDraining() *healthv3.HealthCheck {
	return &healthv3.HealthCheck{PassThroughMode: wrapperspb.Bool(true)}
}

// endOnSuccess answers in place of the pod once it has accepted.
func endOnSuccess() *customv3.CustomResponse {
	answer := pack(&localv3.LocalResponsePolicy{
		StatusCode: wrapperspb.UInt32(200),
		Body:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "ok"}},
	})
	onOK := &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
		Action: &xdscorev3.TypedExtensionConfig{Name: "ok", TypedConfig: answer},
	}}
	return &customv3.CustomResponse{CustomResponseMatcher: &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
			Input: &xdscorev3.TypedExtensionConfig{
				Name: "status", TypedConfig: pack(&matcherv3.HttpResponseStatusCodeMatchInput{}),
			},
			TreeType: &xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap{
				ExactMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{
					Map: map[string]*xdsmatcherv3.Matcher_OnMatch{"200": onOK},
				},
			},
		}},
	}}
}

func httpFilter(name string, config proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(config)}}
}

func everyPath() *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
}

func exactPath(path string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}}
}
