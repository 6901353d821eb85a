package envoy_test

import (
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
)

// TestParseClusters reads what an Envoy 1.40 with our agent's configuration says.
func TestParseClusters(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/clusters.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := envoy.ParseClusters(data)
	if err != nil {
		t.Fatal(err)
	}
	pod := envoy.Host{Address: "10.11.0.39:5000", Member: "c1", Weight: 1, Healthy: true}
	gateway := envoy.Host{Address: "172.30.1.112:15443", Member: "c2", Weight: 1, Healthy: true}
	want := envoy.Clusters{
		envoy.SNI("link-c1", "sample", 5000):       {pod},
		envoy.SNI("helloworld", "sample", 5000):    {pod},
		envoy.Egress("link-c2", "sample", 5000):    {gateway},
		envoy.Egress("helloworld", "sample", 5000): {pod, gateway},
		envoy.Peer("c2"):                           {gateway},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHealthOfAHost(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{}`:                               true,
		`{"eds_health_status":"HEALTHY"}`:  true,
		`{"eds_health_status":"UNKNOWN"}`:  true,
		`{"eds_health_status":"DRAINING"}`: false,
		`{"eds_health_status":"HEALTHY","failed_active_health_check":true}`:      false,
		`{"eds_health_status":"HEALTHY","failed_outlier_check":true}`:            false,
		`{"eds_health_status":"HEALTHY","excluded_via_immediate_hc_fail":true}`:  false,
		`{"eds_health_status":"HEALTHY","failed_active_degraded_check":true}`:    true,
		`{"eds_health_status":"HEALTHY","pending_active_hc":true, "x":[1,2,{}]}`: true,
	} {
		all, err := envoy.ParseClusters([]byte(`{"cluster_statuses":[{"name":"c","host_statuses":[{"health_status":` + text + `}]}]}`))
		if err != nil || all["c"][0].Healthy != want {
			t.Errorf("%s: healthy %v, want %v (%v)", text, !want, want, err)
		}
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	host := func(member string, priority, weight int, healthy bool) envoy.Host {
		return envoy.Host{Member: member, Priority: priority, Weight: weight, Healthy: healthy}
	}
	for name, c := range map[string]struct {
		hosts []envoy.Host
		want  map[string]float64
	}{
		"weights of one priority": {
			[]envoy.Host{host("a", 0, 1, true), host("b", 0, 2, true), host("b", 0, 1, true)}, map[string]float64{"a": 0.25, "b": 0.75},
		},
		"unhealthy ones get nothing": {
			[]envoy.Host{host("a", 0, 1, true), host("b", 0, 9, false)}, map[string]float64{"a": 1},
		},
		"a healthy first priority takes all": {
			[]envoy.Host{host("a", 0, 1, true), host("b", 1, 9, true)}, map[string]float64{"a": 1},
		},
		"a dead first priority leaves all to the next": {
			[]envoy.Host{host("a", 0, 1, false), host("b", 1, 9, true)}, map[string]float64{"b": 1},
		},
		"half of the first priority takes 70 percent": {
			[]envoy.Host{host("a", 0, 1, true), host("a", 0, 1, false), host("b", 1, 1, true)}, map[string]float64{"a": 0.7, "b": 0.3},
		},
		"nobody is healthy": {[]envoy.Host{host("a", 0, 1, false)}, map[string]float64{}},
	} {
		if diff := cmp.Diff(c.want, envoy.Shares(c.hosts), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// FuzzShares: parts of connections are never negative, and add up to one or nothing.
func FuzzShares(f *testing.F) {
	f.Add([]byte{1, 3, 200, 17, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		var hosts []envoy.Host
		for _, b := range data {
			hosts = append(hosts, envoy.Host{
				Member: string('a' + rune(b%3)), Priority: int(b>>2) % 3, Weight: 1 + int(b>>4), Healthy: b%5 != 0,
			})
		}
		sum := 0.0
		for _, share := range envoy.Shares(hosts) {
			if share < 0 || share > 1+1e-9 {
				t.Fatalf("share %g of %+v", share, hosts)
			}
			sum += share
		}
		if sum > 1e-9 && math.Abs(sum-1) > 1e-9 {
			t.Errorf("shares of %+v add up to %g", hosts, sum)
		}
	})
}

func TestParseListenersAndStats(t *testing.T) {
	t.Parallel()
	listeners, err := envoy.ParseListeners([]byte(`{"listener_statuses":[
{"name":"inbound_15443","local_address":{"socket_address":{"address":"0.0.0.0","port_value":15443}}},
{"name":"egress_20000","local_address":{"socket_address":{"address":"0.0.0.0","port_value":20000}}}]}`))
	want := []envoy.Listener{{Name: envoy.InboundListener, Port: 15443}, {Name: "egress_20000", Port: 20000}}
	if diff := cmp.Diff(want, listeners); err != nil || diff != "" {
		t.Error(err, diff)
	}
	stats := envoy.ParseStats([]byte("control_plane.connected_state: 1\ncluster.gateway|west.ssl.fail_verify_error: 2\n" +
		"cluster.gateway|west.ssl.fail_verify_san: 3\ncluster.gateway|north.ssl.fail_verify_san: 9\nhistogram: No recorded values\n"))
	if stats[envoy.Connected] != 1 || stats.Refused("west") != 5 || stats.Refused("east") != 0 {
		t.Errorf("got %v", stats)
	}
}
