package sides

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func host(address string, weight uint32, health corev3.HealthStatus) *endpointv3.LbEndpoint {
	one := &endpointv3.LbEndpoint{
		HealthStatus: health,
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 80},
			}}},
		}},
	}
	if weight > 0 {
		one.LoadBalancingWeight = wrapperspb.UInt32(weight)
	}
	return one
}

func TestAnswerOf(t *testing.T) {
	t.Parallel()
	const healthy, unknown, unhealthy, draining = corev3.HealthStatus_HEALTHY, corev3.HealthStatus_UNKNOWN, corev3.HealthStatus_UNHEALTHY, corev3.HealthStatus_DRAINING
	for name, tc := range map[string]struct {
		localities [][]*endpointv3.LbEndpoint
		want       Answer
	}{
		"nothing":          {nil, Answer{}},
		"no weight is one": {[][]*endpointv3.LbEndpoint{{host("10.0.0.1", 0, healthy), host("10.0.0.2", 3, unknown)}}, Answer{"10.0.0.1:80": {1, 0}, "10.0.0.2:80": {3, 0}}},
		"only relations count": {
			[][]*endpointv3.LbEndpoint{{host("10.0.0.1", 4, healthy), host("10.0.0.2", 6, healthy)}}, Answer{"10.0.0.1:80": {2, 0}, "10.0.0.2:80": {3, 0}},
		},
		"who is not healthy is left out": {
			[][]*endpointv3.LbEndpoint{{host("10.0.0.1", 1, unhealthy), host("10.0.0.2", 1, draining), host("10.0.0.3", 1, healthy)}}, Answer{"10.0.0.3:80": {1, 0}},
		},
		"weights of one host in two places are added": {
			[][]*endpointv3.LbEndpoint{{host("10.0.0.1", 1, healthy)}, {host("10.0.0.1", 1, healthy), host("fd00::1", 3, healthy)}},
			Answer{"10.0.0.1:80": {2, 1}, "[fd00::1]:80": {3, 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load := &endpointv3.ClusterLoadAssignment{}
			for i, hosts := range tc.localities {
				load.Endpoints = append(load.Endpoints, &endpointv3.LocalityLbEndpoints{LbEndpoints: hosts, Priority: uint32(i)})
			}
			if diff := cmp.Diff(tc.want, AnswerOf(load)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestNamesOfClusters(t *testing.T) {
	t.Parallel()
	web := Port{Namespace: "shop", Service: "web", Number: 80}
	type read struct {
		Port  Port
		Rank  int
		Leads bool
	}
	for name, want := range map[string]read{
		"outbound|80||web.shop.svc.cluster.local":    {web, 0, true},
		"outbound|80|v1|web.shop.svc.cluster.local":  {},
		"inbound|80||web.shop.svc.cluster.local":     {},
		"outbound|80||example.com":                   {},
		"egress|80|web.shop":                         {web, 1, true},
		"outbound_.80_._.web.shop.svc.cluster.local": {web, 0, true},
		"outbound_.80_._.web.shop.svc.example.com":   {},
		"gateway|c2": {},
		"eastwest-gateway.eastwest-system.svc.cluster.local": {},
	} {
		got := read{}
		if port, leads := istiodPortOf(name); leads {
			got = read{port, 0, true}
		} else if port, rank, leads := agentPortOf(name); leads {
			got = read{port, rank, true}
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}
