package envoy_test

import (
	"math"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
)

// The files in testdata are what Envoy 1.40 in a lab cluster said, shortened.
func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const hello = "helloworld.sample.svc.cluster.local"

func TestParseClusters(t *testing.T) {
	t.Parallel()
	got, err := envoy.ParseClusters(read(t, "clusters.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]envoy.Cluster{envoy.ClusterName(hello, 5000): {Name: envoy.ClusterName(hello, 5000)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRuleName(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/apis/networking.istio.io/v1/namespaces/shop/destination-rule/plain": "shop/plain",
		"": "",
	} {
		if got := (envoy.Cluster{Rule: path}).RuleName(); got != want {
			t.Errorf("RuleName of %q = %q, want %q", path, got, want)
		}
	}
}

func TestParseEndpoints(t *testing.T) {
	t.Parallel()
	got, err := envoy.ParseEndpoints(read(t, "endpoints.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]envoy.Endpoint{envoy.ClusterName(hello, 5000): {
		{Address: "10.11.0.79", Port: 5000, Share: 0.5, Healthy: true},
		{Address: "172.30.1.112", Port: 15443, Share: 0.5, Healthy: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSharesFollowWeights(t *testing.T) {
	t.Parallel()
	endpoint := func(ip, more string) string {
		return `{"endpoint":{"address":{"socket_address":{"address":"` + ip + `","port_value":1}}}` + more + `}`
	}
	cases := map[string]struct {
		localities string
		want       map[string]float64
	}{
		"no endpoint": {`[]`, map[string]float64{}},
		"weights of endpoints": {
			`[{"lb_endpoints":[` + endpoint("a", `,"load_balancing_weight":3`) + `,` + endpoint("b", `,"load_balancing_weight":1`) + `]}]`,
			map[string]float64{"a": 0.75, "b": 0.25},
		},
		"weights of localities": {
			`[{"load_balancing_weight":80,"lb_endpoints":[` + endpoint("a", "") + `,` + endpoint("b", "") + `]},
			  {"load_balancing_weight":20,"lb_endpoints":[` + endpoint("c", "") + `]}]`,
			map[string]float64{"a": 0.4, "b": 0.4, "c": 0.2},
		},
		"a lower priority waits": {
			`[{"priority":1,"lb_endpoints":[` + endpoint("far", "") + `]},{"lb_endpoints":[` + endpoint("near", "") + `]}]`,
			map[string]float64{"far": 0, "near": 1},
		},
		"an unhealthy priority is passed over": {
			`[{"priority":1,"lb_endpoints":[` + endpoint("far", "") + `]},{"lb_endpoints":[` + endpoint("near", `,"health_status":"UNHEALTHY"`) + `]}]`,
			map[string]float64{"far": 1, "near": 0},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := envoy.ParseEndpoints([]byte(`{"configs":[{"endpoint_config":{"cluster_name":"c","endpoints":` + c.localities + `}}]}`))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			for _, e := range all["c"] {
				got[e.Address] = e.Share
			}
			near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
			if diff := cmp.Diff(c.want, got, near); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseListeners(t *testing.T) {
	t.Parallel()
	got, err := envoy.ParseListeners(read(t, "listeners.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !got[0].Active || got[0].Port != 15443 || got[0].Rejected != "" {
		t.Fatalf("listeners: %+v", got)
	}
	if !got[0].Serves(envoy.SNI(hello, 5000)) || got[0].Serves(envoy.SNI(hello, 80)) {
		t.Errorf("server names: %v", got[0].ServerNames)
	}
	refused, err := envoy.ParseListeners([]byte(`{"configs":[{"name":"l","error_state":{"details":"duplicate matcher"}}]}`))
	if err != nil || len(refused) != 1 || refused[0].Active || refused[0].Rejected != "duplicate matcher" {
		t.Errorf("a refused listener: %+v, %v", refused, err)
	}
}

func TestParseStats(t *testing.T) {
	t.Parallel()
	got, err := envoy.ParseStats(read(t, "stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Cluster(envoy.ClusterName(hello, 5000), "upstream_cx_total"); n != 21 {
		t.Errorf("upstream_cx_total = %d, want 21", n)
	}
	if n := got.Sum("ssl.handshake"); n != 21 {
		t.Errorf("ssl.handshake = %d, want 21", n)
	}
}

func TestParseRejectsWhatIsNoDump(t *testing.T) {
	t.Parallel()
	text := []byte("Error: no such pod")
	for name, parse := range map[string]func() error{
		"clusters":  func() error { _, err := envoy.ParseClusters(text); return err },
		"endpoints": func() error { _, err := envoy.ParseEndpoints(text); return err },
		"listeners": func() error { _, err := envoy.ParseListeners(text); return err },
		"identity":  func() error { _, err := envoy.ParseIdentity(text); return err },
		"bad PEM":   func() error { _, err := envoy.ParseIdentity([]byte(badPEM)); return err },
		"stats":     func() error { _, err := envoy.ParseStats(text); return err },
	} {
		if parse() == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

const badPEM = `{"configs":[{"name":"ROOTCA","secret":{"validation_context":{"trusted_ca":{"inline_bytes":
"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}}}}]}`

// TestPathsMatchNames reads the pattern back out of a path as Envoy does.
func TestPathsMatchNames(t *testing.T) {
	t.Parallel()
	n := envoy.Namespace{Name: "sample", Port: 5000}
	for path, names := range map[string][2]string{
		n.ClustersPath():             {envoy.ClusterName(hello, 5000), envoy.ClusterName("helloworld.sample2.svc.cluster.local", 5000)},
		n.EndpointsPath():            {envoy.ClusterName(hello, 5000), envoy.ClusterName(hello, 80)},
		n.PassthroughEndpointsPath(): {envoy.SNI(hello, 5000), envoy.ClusterName(hello, 5000)},
		envoy.ListenersPath(15443):   {"0.0.0.0_15443", "0.0.0.0_15012"},
	} {
		_, query, _ := strings.Cut(path, "?")
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		pattern := regexp.MustCompile("^(?:" + values.Get("name_regex") + ")$")
		if !pattern.MatchString(names[0]) || pattern.MatchString(names[1]) {
			t.Errorf("%s: want a match of %q and none of %q", path, names[0], names[1])
		}
	}
}
