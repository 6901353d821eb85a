package discovery

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/member"
	"github.com/eastwest-mesh/eastwest/discovery/meshid"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
)

// TestHowFarALinkIsTried: the whole way only where both ends can prove themselves,
// and why not where they cannot.
func TestHowFarALinkIsTried(t *testing.T) {
	t.Parallel()
	recorded := v1alpha1.MemberProbe{ServerName: "outbound_.15018_._.probe", Identity: "spiffe://td/ns/eastwest-system/sa/eastwest-agent"}
	for name, tc := range map[string]struct {
		config v1alpha1.AgentProbe
		record v1alpha1.MemberProbe
		short  string
	}{
		"both ends have a certificate":    {v1alpha1.AgentProbe{Authority: "istiod:15012"}, recorded, ""},
		"this agent has no authority":     {v1alpha1.AgentProbe{}, recorded, shortNoAuthority},
		"this agent knows why it has not": {v1alpha1.AgentProbe{Absent: "istiod does not sign"}, recorded, "istiod does not sign"},
		"the member is an older one":      {v1alpha1.AgentProbe{Authority: "istiod:15012"}, v1alpha1.MemberProbe{}, shortNoProbe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &Agent{Options: Options{Settings: &settings.Settings{}}, members: &members{joined: map[model.MemberName]member.Member{
				"west": {Record: v1alpha1.MemberRecord{Probe: tc.record}},
			}}}
			a.Settings.File.Probe = tc.config
			if options := a.probeOptions(); (options.Certificate != nil) != (tc.config.Authority != "") {
				t.Error("it asks with a certificate that nobody signs, or without one that somebody does")
			}
			got := a.target("west", &model.Member{Gateways: []model.HostPort{{Host: "192.0.2.1", Port: 15443}}})
			if got.Short != tc.short || len(got.Addresses) != 1 {
				t.Errorf("%+v, want %q", got, tc.short)
			}
			if tc.short == "" && (got.Way == nil || got.Way.ServerName != recorded.ServerName || got.Way.Protocol != istioProtocol || got.Identity != recorded.Identity) {
				t.Errorf("%+v does not lead to the member's agent", got)
			}
		})
	}
}

// TestAMemberWithoutReadyAgents says so itself; where it does not answer, the way is
// what is broken.
func TestAMemberWithoutReadyAgents(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer string
		want   string
	}{
		"one is ready":       {`{"items": [{"endpoints": [{"conditions": {"ready": false}}, {"conditions": {"ready": true}}]}]}`, ""},
		"one that says none": {`{"items": [{"endpoints": [{}]}]}`, ""},
		"none is ready":      {`{"items": [{"endpoints": [{"conditions": {"ready": false}}]}]}`, shortNotReady},
		"none is there":      {`{"items": []}`, shortNotReady},
		"it does not say":    {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/eastwest-system/endpointslices" ||
					r.URL.Query().Get("labelSelector") != "kubernetes.io/service-name=eastwest-probe-west" {
					t.Errorf("asked for %s", r.URL)
				}
				if tc.answer == "" {
					http.Error(w, "no", http.StatusForbidden)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, strings.Replace(tc.answer, "{", `{"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", `, 1))
			}))
			t.Cleanup(server.Close)
			a := &Agent{members: &members{joined: map[model.MemberName]member.Member{"west": {Config: &rest.Config{Host: server.URL}}}}}
			if got := a.excuse(t.Context(), "west"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if got := (&Agent{members: &members{}}).excuse(t.Context(), "west"); got != "" {
		t.Errorf("a member that left: %q", got)
	}
}

// TestWhoseProbesAreAnswered: agents of any trust domain that the roots vouch for,
// and nobody else.
func TestWhoseProbesAreAnswered(t *testing.T) {
	t.Parallel()
	for identity, want := range map[string]bool{
		"spiffe://cluster.local/ns/eastwest-system/sa/eastwest-agent":          true,
		"spiffe://other.example/ns/eastwest-system/sa/eastwest-agent":          true,
		"spiffe://cluster.local/ns/eastwest-system/sa/default":                 false,
		"spiffe://cluster.local/ns/shop/sa/eastwest-agent":                     false,
		"spiffe:///ns/eastwest-system/sa/eastwest-agent":                       false,
		"spiffe://td/ns/shop/sa/x/ns/eastwest-system/sa/eastwest-agent":        false,
		"https://cluster.local/ns/eastwest-system/sa/eastwest-agent":           false,
		"spiffe://cluster.local/ns/eastwest-system/sa/eastwest-agent/and-more": false,
	} {
		if got := isAgent(identity, "eastwest-system"); got != want {
			t.Errorf("%s: %v, want %v", identity, got, want)
		}
	}
}

// TestNoRootsWithoutACertificate: before istiod answered nobody is trusted.
func TestNoRootsWithoutACertificate(t *testing.T) {
	t.Parallel()
	a := &Agent{meshID: meshid.New(meshid.Options{})}
	if _, err := a.meshCertificate(); err == nil {
		t.Error("there is a certificate")
	}
	if pool := a.meshRoots(); pool == nil || !pool.Equal(x509.NewCertPool()) {
		t.Error("somebody is trusted: a nil pool would be all authorities of the system")
	}
}
