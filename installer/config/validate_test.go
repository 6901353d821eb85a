package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// mesh is a valid one after defaults.
func mesh() *Mesh {
	m := &Mesh{}
	m.Metadata.Name = "proj-1"
	m.Spec.Clusters = []v1alpha1.Cluster{{Name: "east", Network: "net-east"}, {Name: "west"}}
	Default(m)
	return m
}

func TestDefault(t *testing.T) {
	t.Parallel()
	yes := true
	m := &Mesh{}
	m.Spec.Gateway = v1alpha1.Gateway{Public: &yes, SourceRanges: []string{"10.0.0.0/8"}, Values: map[string]any{"replicas": 2}}
	m.Spec.Clusters = []v1alpha1.Cluster{
		{Name: "east"},
		{Name: "west", Gateway: v1alpha1.Gateway{Namespace: "edge", Public: new(bool), SourceRanges: []string{"192.0.2.0/24"}}},
	}
	Default(m)
	if m.APIVersion != v1alpha1.APIVersion || m.Kind != v1alpha1.KindMesh || m.Spec.Topology != "full" || m.Spec.IstioNamespace != "istio-system" {
		t.Errorf("got %+v", m)
	}
	if diff := cmp.Diff([]string{"*.local"}, m.Spec.Expose.Hosts); diff != "" {
		t.Errorf("hosts (-want +got)\n%s", diff)
	}
	east, west := m.Spec.Clusters[0].Gateway, m.Spec.Clusters[1].Gateway
	if east.Namespace != "istio-system" || east.Public != &yes || east.SourceRanges[0] != "10.0.0.0/8" || east.Values != nil {
		t.Errorf("what a member leaves out is the mesh's, but for values, which render merges: got %+v", east)
	}
	if west.Namespace != "edge" || *west.Public || west.SourceRanges[0] != "192.0.2.0/24" {
		t.Errorf("what a member says is its own: got %+v", west)
	}
}

func TestDefaultIsIdempotent(t *testing.T) {
	t.Parallel()
	once, twice := mesh(), mesh()
	Default(twice)
	if diff := cmp.Diff(once, twice); diff != "" {
		t.Errorf("(-once +twice)\n%s", diff)
	}
}

func TestTheGatewayFollowsIstiod(t *testing.T) {
	t.Parallel()
	m := &Mesh{}
	m.Spec.IstioNamespace = "mesh-system"
	Default(m)
	if m.Spec.Gateway.Namespace != "mesh-system" {
		t.Errorf("got %q", m.Spec.Gateway.Namespace)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := Validate(mesh()); err != nil {
		t.Fatalf("a valid mesh: %v", err)
	}
	for name, tc := range map[string]struct {
		change     func(*Mesh)
		code, text string
	}{
		"a mesh ID that is no label value": {func(m *Mesh) { m.Metadata.Name = "my mesh" }, "InvalidName", `mesh ID "my mesh"`},
		"a namespace that is no label":     {func(m *Mesh) { m.Spec.IstioNamespace = "Istio" }, "InvalidName", `istio namespace "Istio"`},
		"a member's name":                  {func(m *Mesh) { m.Spec.Clusters[0].Name = "e_1" }, "InvalidName", `byte 2 is '_'`},
		"two of one name":                  {func(m *Mesh) { m.Spec.Clusters[1].Name = "east" }, "DuplicateName", `two clusters are named "east"`},
		"a network":                        {func(m *Mesh) { m.Spec.Clusters[0].Network = "-" }, "InvalidName", `network "-"`},
		"a member's source range":          {func(m *Mesh) { m.Spec.Clusters[0].Gateway.SourceRanges = []string{"x"} }, "InvalidSourceRange", `"x"`},
		"the mesh's source range":          {func(m *Mesh) { m.Spec.Gateway.SourceRanges = []string{"y"} }, "InvalidSourceRange", `"y"`},
		"an advertised address":            {func(m *Mesh) { m.Spec.Clusters[0].Gateway.AdvertisedAddresses = []string{"a:b:c"} }, "InvalidAddress", `"a:b:c"`},
		"a service that stays local":       {func(m *Mesh) { m.Spec.Peers.ClusterLocal = []string{"shop"} }, "InvalidName", `cluster-local service "shop"`},
		"half of one":                      {func(m *Mesh) { m.Spec.Peers.ClusterLocal = []string{"*/web"} }, "InvalidName", "NAMESPACE/*"},
		"an export of no namespace":        {func(m *Mesh) { m.Spec.Agent.Exports = []v1alpha1.ExportRule{{Name: "*"}} }, "InvalidName", `namespace of an export ""`},
		"an export of no name":             {func(m *Mesh) { m.Spec.Agent.Exports = []v1alpha1.ExportRule{{Namespace: "a", Name: "*b"}} }, "InvalidName", `name of an export "*b"`},
		"who comes first of an export": {
			func(m *Mesh) { m.Spec.Agent.Exports = []v1alpha1.ExportRule{{Namespace: "a", Name: "b", Prefer: "me"}} }, "InvalidPreference", `a/b: "me" is none of`,
		},
		"a topology": {func(m *Mesh) { m.Spec.Topology = "ring" }, "InvalidTopology", `topology "ring"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mesh()
			tc.change(m)
			wantInput(t, Validate(m), tc.code, tc.text)
		})
	}
}

func TestValidateTellsAll(t *testing.T) {
	t.Parallel()
	m := mesh()
	m.Metadata.Name, m.Spec.Clusters[0].Name, m.Spec.Topology = " ", "E", "ring"
	m.Spec.Peers.ClusterLocal = []string{"shop/web", "shop/*", "no"}
	if all := problem.All(Validate(m)); len(all) != 4 {
		t.Errorf("got %d problems, want 4: %v", len(all), all)
	}
}

// TestLabel is row C05: the rule, and the byte that breaks it.
func TestLabel(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"east":                  "",
		"0-1":                   "",
		strings.Repeat("a", 63): "",
		"":                      "it is empty",
		strings.Repeat("a", 64): "it has 64 bytes, at most 63 are allowed",
		"East":                  "byte 1 is 'E'",
		"ea.st":                 "byte 3 is '.'",
		"-east":                 "byte 1 is '-'",
		"east-":                 "byte 5 is '-'",
		"öst":                   `byte 1 is '\u00f6'`,
		"a\xff":                 "byte 2 is not UTF-8",
	} {
		t.Run(want+" "+value[:min(len(value), 8)], func(t *testing.T) {
			t.Parallel()
			err := Label("name", value)
			if want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantInput(t, err, "InvalidName", want)
		})
	}
}

func TestSourceRanges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ranges   []string
		want     string // empty: accepted
		internet bool
	}{
		"none":                     {nil, "", false},
		"both families":            {[]string{"198.51.100.0/24", "2001:db8::/32", "203.0.113.7/32"}, "", false},
		"the Internet is no error": {[]string{"10.0.0.0/8", "0.0.0.0/0"}, "", true},
		"nor is that of six":       {[]string{"::/0"}, "", true},
		"an address without bits":  {[]string{"203.0.113.7"}, `"203.0.113.7" is not a CIDR`, false},
		"too many bits":            {[]string{"203.0.113.0/33"}, "not a CIDR", false},
		"bits past the mask":       {[]string{"203.0.113.7/24"}, "write 203.0.113.0/24", false},
		"a zone":                   {[]string{"fe80::1%eth0/64"}, "not a CIDR", false},
		"leading zeros":            {[]string{"010.0.0.0/8"}, "not a CIDR", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := SourceRanges(tc.ranges)
			if tc.want == "" && err != nil {
				t.Error(err)
			} else if tc.want != "" {
				wantInput(t, err, "InvalidSourceRange", tc.want)
			}
			if got := Internet(tc.ranges); got != tc.internet {
				t.Errorf("the Internet: got %v, want %v", got, tc.internet)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		host string
		port int // 0: rejected
	}{
		"203.0.113.7":            {"203.0.113.7", 15443},
		"203.0.113.7:443":        {"203.0.113.7", 443},
		"gw.example.com":         {"gw.example.com", 15443},
		"gw.example.com:65535":   {"gw.example.com", 65535},
		"2001:db8::1":            {"2001:db8::1", 15443},
		"[2001:db8::1]:443":      {"2001:db8::1", 443},
		"":                       {},
		":443":                   {},
		"203.0.113.7:0":          {},
		"203.0.113.7:65536":      {},
		"203.0.113.7:x":          {},
		"fe80::1%eth0":           {},
		"gw_1":                   {},
		"a b":                    {},
		"https://203.0.113.7":    {},
		"gw.example.com:15443/x": {},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			host, port, err := Address(text)
			if want.port == 0 {
				wantInput(t, err, "InvalidAddress", "advertised address")
				return
			}
			if err != nil || host != want.host || port != want.port {
				t.Errorf("got %q %d %v, want %+v", host, port, err, want)
			}
		})
	}
}
