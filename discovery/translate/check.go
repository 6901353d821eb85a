package translate

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Paths of checks, which both ends agree on.
const (
	// connectPath is answered once a pod of the service accepted a connection.
	connectPath = "/connect"
	// gatewayPath is answered by the gateway itself.
	gatewayPath = "/gateway"
)

const (
	checkTimeout  = 2 * time.Second
	checkInterval = 5 * time.Second
	// sparseInterval is for ports beyond the budget.
	sparseInterval = 30 * time.Second
	// suspicion is how soon a check that failed for the first time is made again, and
	// recovery how soon after that: what heals is used again within five seconds.
	suspicion = time.Second
	recovery  = 3 * time.Second
)

// The checks that clusters have, which share them: up to a pod, of a gateway alone, and
// of a gateway now and then.
var (
	ofPod     = newCheck(corev3.RequestMethod_POST, connectPath, checkInterval)
	ofGateway = newCheck(corev3.RequestMethod_METHOD_UNSPECIFIED, gatewayPath, checkInterval)
	sparse    = newCheck(corev3.RequestMethod_METHOD_UNSPECIFIED, gatewayPath, sparseInterval)
)

// throughGateway checks an endpoint behind a remote gateway: up to a pod, or only
// the gateway. A mere TCP or TLS check would prove nothing: the gateway completes
// both for services that do not exist and for certificates that it then rejects.
func throughGateway(endToEnd bool) []*corev3.HealthCheck {
	if endToEnd {
		return ofPod
	}
	return sparse
}

func newCheck(method corev3.RequestMethod, path string, interval time.Duration) []*corev3.HealthCheck {
	return []*corev3.HealthCheck{{
		Timeout:               durationpb.New(checkTimeout),
		Interval:              durationpb.New(interval),
		IntervalJitterPercent: 10,
		// A cluster without traffic is checked as often: its first connection must not
		// be the one that finds out.
		NoTrafficInterval:     durationpb.New(interval),
		UnhealthyInterval:     durationpb.New(recovery),
		UnhealthyEdgeInterval: durationpb.New(suspicion),
		UnhealthyThreshold:    wrapperspb.UInt32(2),
		HealthyThreshold:      wrapperspb.UInt32(1),
		TlsOptions:            &corev3.HealthCheck_TlsOptions{AlpnProtocols: []string{alpnCheck}},
		HealthChecker: &corev3.HealthCheck_HttpHealthCheck_{
			HttpHealthCheck: &corev3.HealthCheck_HttpHealthCheck{Host: "hc", Path: path, Method: method},
		},
	}}
}

// WithinBudget picks the ports whose remote endpoints are checked up to a pod:
// as many as cause at most budget pairs of a port and a member of another network.
// They are picked in the order of their listeners, which are allocated once, so
// that a new service changes nothing for the older ones.
func WithinBudget(view *model.View, from model.Vantage, options Options, budget int) map[model.PortKey]bool {
	ports := slices.SortedFunc(maps.Keys(options.Listeners), func(a, b model.PortKey) int {
		return cmp.Or(cmp.Compare(options.Listeners[a], options.Listeners[b]), a.Compare(b))
	})
	picked := map[model.PortKey]bool{}
	for _, port := range ports {
		service := view.Services.Get(port.Service)
		if service == nil {
			continue
		}
		for _, name := range service.Exporters {
			if _, dialled := remoteOf(view.Members[name], from, options); dialled {
				budget--
			}
		}
		if budget < 0 {
			return picked
		}
		picked[port] = true
	}
	return picked
}
