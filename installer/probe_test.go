package installer

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
)

// probedSite is a member whose istiod signs, and what a test changes of it.
func probedSite(change func(*site)) *site {
	s := &site{
		spec:   v1alpha1.Cluster{Name: "east", Gateway: v1alpha1.Gateway{Namespace: "gateways"}},
		member: &member.Member{IstioNamespace: "istio-system"},
		facts: &member.Facts{ControlPlanes: []member.ControlPlane{{
			Revision: "asm-1", Deployment: "istiod-asm-1", TrustDomain: "td.example", Env: map[string]string{},
		}}},
	}
	s.facts.Trust.SelfSigned = true
	change(s)
	return s
}

func exposure(manager string, hosts ...string) member.Exposure {
	return member.Exposure{Name: "g", Namespace: "istio-system", Hosts: hosts, Port: member.GatewayPort, Labels: map[string]string{apply.ManagedByLabel: manager}}
}

// TestWhatConsumersAreToldOfAProbe: the server name and the identity, or nothing
// where no way leads there.
func TestWhatConsumersAreToldOfAProbe(t *testing.T) {
	t.Parallel()
	told := v1alpha1.MemberProbe{
		ServerName: "outbound_.15018_._.eastwest-probe-east.eastwest-system.svc.cluster.local",
		Identity:   "spiffe://td.example/ns/eastwest-system/sa/eastwest-agent",
	}
	for name, tc := range map[string]struct {
		change func(*site)
		adopt  bool
		want   v1alpha1.MemberProbe
		absent string
	}{
		"istiod signs":              {change: func(*site) {}, want: told},
		"Mesh CA signs":             {change: func(s *site) { s.facts.ControlPlanes[0].Injector.CAAddress = "meshca.googleapis.com:443" }, absent: "mesh-ca"},
		"the members' roots differ": {change: func(s *site) { s.facts.ControlPlanes[0].Env["ISTIO_MULTIROOT_MESH"] = "true" }, absent: "several roots"},
		"what we expose ourselves": {change: func(s *site) {
			s.facts.Exposures = []member.Exposure{exposure(apply.FieldManager, "*.shop.svc.cluster.local")}
		}, want: told},
		"somebody else exposes all": {change: func(s *site) { s.facts.Exposures = []member.Exposure{exposure("Helm", "*.local")} }, want: told},
		"somebody else exposes other hosts": {change: func(s *site) {
			s.facts.Exposures = []member.Exposure{exposure("Helm", "*.shop.svc.cluster.local")}
		}},
		"what somebody else exposes is taken over": {change: func(s *site) {
			s.facts.Exposures = []member.Exposure{exposure("Helm", "*.shop.svc.cluster.local")}
		}, adopt: true, want: told},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := probedSite(tc.change)
			in := &Installer{}
			in.options.Adopt = tc.adopt
			if diff := cmp.Diff(tc.want, in.probed(s)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got := s.noProbe(); (got == "") != (tc.absent == "") || !strings.Contains(got, tc.absent) {
				t.Errorf("absent because %q, want %q", got, tc.absent)
			}
		})
	}
}

// TestAgentsAskTheIstiodOfTheirRevision, and know why where they cannot.
func TestAgentsAskTheIstiodOfTheirRevision(t *testing.T) {
	t.Parallel()
	want := map[string]any{
		"enabled": true, "authority": "istiod-asm-1.istio-system.svc:15012", "service": "eastwest-probe-east", "gatewayNamespace": "gateways",
	}
	if diff := cmp.Diff(want, probedSite(func(*site) {}).probeValues()["probe"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	elsewhere := probedSite(func(s *site) {
		s.facts.NamespaceNetwork, s.facts.Gateways = "net-east", []member.Gateway{{Namespace: "theirs", Network: "net-east"}}
	})
	if got, _ := elsewhere.probeValues()["probe"].(map[string]any); got["gatewayNamespace"] != "theirs" {
		t.Errorf("with a gateway of somebody else's: %v", got)
	}
	without := probedSite(func(s *site) { s.facts.ControlPlanes[0].Env["ENABLE_CA_SERVER"] = "false" })
	values := without.probeValues()
	if config, _ := values["config"].(map[string]any)["probe"].(map[string]any); values["probe"] != nil || config["absent"] != without.noProbe() || config["absent"] == "" {
		t.Errorf("%v", values)
	}
}

// TestTheProbeIsExposedWithChosenHosts, and adds nothing where it is covered, or
// where there is no agent to lead to.
func TestTheProbeIsExposedWithChosenHosts(t *testing.T) {
	t.Parallel()
	const host = "eastwest-probe-east.eastwest-system.svc.cluster.local"
	for name, tc := range map[string]struct {
		hosts  []string
		agents bool
		want   []string
	}{
		"every service":   {[]string{"*.local"}, true, []string{"*.local"}},
		"chosen services": {[]string{"*.shop.svc.cluster.local"}, true, []string{"*.shop.svc.cluster.local", host}},
		"its namespace":   {[]string{"*.eastwest-system.svc.cluster.local"}, true, []string{"*.eastwest-system.svc.cluster.local"}},
		"no agents":       {[]string{"*.shop.svc.cluster.local"}, false, []string{"*.shop.svc.cluster.local"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := &Installer{}
			in.mesh.Spec.Expose.Hosts, in.mesh.Spec.Agent.BesideIstio = slices.Clip(tc.hosts), tc.agents
			if diff := cmp.Diff(tc.want, in.exposedHosts(probedSite(func(*site) {}))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestNamesOfProbeServices fit into a label, and tell long names apart.
func TestNamesOfProbeServices(t *testing.T) {
	t.Parallel()
	if got := v1alpha1.ProbeService("east"); got != "eastwest-probe-east" {
		t.Errorf("%s", got)
	}
	long := strings.Repeat("a", 62)
	one, other := v1alpha1.ProbeService(long+"1"), v1alpha1.ProbeService(long+"2")
	if len(one) != 63 || len(other) != 63 || one == other {
		t.Errorf("%s, %s", one, other)
	}
}
