package preflight

import (
	"testing"
)

// shareNetwork puts both members on one network, consistently.
func shareNetwork(in *Input) {
	for i := range in.Subjects {
		facts := in.Subjects[i].Facts
		plane(in, i).Injector.Network, facts.NamespaceNetwork = "default", "default"
		facts.Gateways[0].Network, facts.Proxies[0].Network = "default", "default"
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	runTable(t, map[string]one{
		"every istiod names one": {check: "NetworkMissing", change: func(*Input) {}},
		"an istiod names none": {
			"NetworkMissing", func(in *Input) { plane(in, 0).Injector.Network = "" }, Refuse,
			[]string{"east"},
			[]string{"gives proxies no network", "values.global.network=net-east", "kubectl --context ctx-east label namespace istio-system topology.istio.io/network=net-east"},
		},
		"and nobody else does": {
			"NetworkMissing", func(in *Input) {
				plane(in, 0).Injector.Network, in.Subjects[0].Facts.NamespaceNetwork = "", ""
				in.Subjects[0].Spec.Network = "office"
			}, Refuse,
			[]string{"east"},
			[]string{"values.global.network=office"},
		},
		"an injector that cannot be read": {check: "NetworkMissing", change: func(in *Input) {
			plane(in, 0).Injector.Found, plane(in, 0).Injector.Network = false, ""
		}},
		"all agree": {check: "NetworkMismatch", change: func(*Input) {}},
		"another is asked for": {
			"NetworkMismatch", func(in *Input) { in.Subjects[0].Spec.Network = "office" }, Refuse,
			[]string{"east"},
			[]string{`network "office" is asked for, but its istiod gives proxies "net-east"`, "leave out --network"},
		},
		"the namespace says another": {
			"NetworkMismatch", func(in *Input) { in.Subjects[0].Facts.NamespaceNetwork = "office" }, Refuse,
			[]string{"east"},
			[]string{`namespace istio-system is labelled with network "office"`, "topology.istio.io/network=net-east --overwrite"},
		},
		"the namespace says nothing": {check: "NetworkMismatch", change: func(in *Input) { in.Subjects[0].Facts.NamespaceNetwork = "" }},
		"a gateway carries another": {
			"NetworkMismatch", func(in *Input) { in.Subjects[1].Facts.Gateways[0].Network = "office" }, Refuse,
			[]string{"west"},
			[]string{`gateway Service istio-system/istio-eastwestgateway carries network "office"`, "kubectl --context ctx-west -n istio-system label service istio-eastwestgateway"},
		},
		"a gateway carries none": {check: "NetworkMismatch", change: func(in *Input) { in.Subjects[1].Facts.Gateways[0].Network = "" }},
		"live proxies are on another": {
			"NetworkMismatch", func(in *Input) { in.Subjects[1].Facts.Proxies[0].Network = "" }, Refuse,
			[]string{"west"},
			[]string{`run with network "", istiod says "net-west"`},
		},
	})
}

// TestSameNetworks is the guide's classic silent failure: it names the network
// "default" twice.
func TestSameNetworks(t *testing.T) {
	t.Parallel()
	overlapping := func(left, right string) func(*Input) {
		return func(in *Input) {
			shareNetwork(in)
			in.Subjects[0].Facts.PodCIDRs, in.Subjects[1].Facts.PodCIDRs = []string{left}, []string{right}
		}
	}
	runTable(t, map[string]one{
		"networks of their own": {check: "SameNetwork", change: func(*Input) {}},
		"one name, not proved": {
			"SameNetwork", shareNetwork, Refuse, both(),
			[]string{`both are on network "default", but a pod of one cannot reach a pod of the other`, "in west reinstall istiod", "global.network=net-west", "--force-same-network"},
		},
		"one name, without istiod": {
			"SameNetwork", func(in *Input) {
				for i := range in.Subjects {
					in.Subjects[i].Facts.ControlPlanes, in.Subjects[i].Spec.Network = nil, "shared"
				}
			}, Refuse, both(),
			[]string{`both are on network "shared"`, "--network west=net-west", "--force-same-network"},
		},
		"one name, proved flat": {check: "SameNetwork", change: func(in *Input) {
			shareNetwork(in)
			in.FlatProved[PairKey("west", "east")] = true
		}},
		"one name, forced": {check: "SameNetwork", change: func(in *Input) { shareNetwork(in); in.ForceSameNetwork = true }},
		"no name at all": {check: "SameNetwork", change: func(in *Input) {
			for i := range in.Subjects {
				plane(in, i).Injector.Network, in.Subjects[i].Facts.NamespaceNetwork = "", ""
			}
		}},
		"equal pod addresses on networks of their own": {check: "PodCIDROverlap", change: func(*Input) {}},
		"distinct pod addresses on one network":        {check: "PodCIDROverlap", change: overlapping("10.0.0.0/16", "10.1.0.0/16")},
		"addresses that cannot be read":                {check: "PodCIDROverlap", change: overlapping("10.0.0.0/16", "ten")},
		"another family":                               {check: "PodCIDROverlap", change: overlapping("10.0.0.0/16", "fd00::/48")},
		"one within the other": {
			"PodCIDROverlap", overlapping("10.0.0.0/8", "10.1.0.0/16"), Refuse, both(),
			[]string{`share network "default", but pod addresses overlap: 10.0.0.0/8 and 10.1.0.0/16`},
		},
	})
}

// TestCertProviders is the guide's matrix of platform and CA.
func TestCertProviders(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		platform string
		managed  bool
		want     string
	}{
		"VMware with Mesh CA":         {"vmware", true, "kubernetes"},
		"bare metal with CA Service":  {"baremetal", true, "kubernetes"},
		"VMware with Istio's CA":      {"vmware", false, "istiod"},
		"bare metal with Istio's CA":  {"baremetal", false, "istiod"},
		"Azure with Mesh CA":          {"azure", true, "istiod"},
		"AWS with Mesh CA":            {"aws", true, "istiod"},
		"attached with Mesh CA":       {"attached", true, "istiod"},
		"EKS with Istio's CA":         {"eks", false, "istiod"},
		"a platform nobody has named": {"", true, "istiod"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := WantedCertProvider(tc.platform, tc.managed); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	onPremises := func(in *Input) {
		in.Subjects[0].Facts.Platform = "vmware"
		plane(in, 0).Env = map[string]string{"CA_PROVIDER": "GoogleCA"}
	}
	runTable(t, map[string]one{
		"as the guide says": {check: "CertProvider", change: func(in *Input) {
			onPremises(in)
			plane(in, 0).Injector.PilotCertProvider = "kubernetes"
		}},
		"nothing is known": {check: "CertProvider", change: func(in *Input) { onPremises(in); plane(in, 0).Injector.PilotCertProvider = "" }},
		"the operator knows the platform better": {check: "CertProvider", change: func(in *Input) {
			onPremises(in)
			in.Subjects[0].Spec.Platform = "attached"
		}},
		"not as the guide says": {
			"CertProvider", onPremises, Warn,
			[]string{"east"},
			[]string{`pilotCertProvider is "istiod", the guide asks for "kubernetes"`, "values.global.pilotCertProvider=kubernetes"},
		},
	})
}

func TestManagedCA(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"Mesh CA":          {map[string]string{"CA_PROVIDER": "GoogleCA"}, true},
		"CA Service":       {map[string]string{"CA_PROVIDER": "GoogleCAS"}, true},
		"CA Service by RA": {map[string]string{"EXTERNAL_CA": "ISTIOD_RA_CAS_API"}, true},
		"Istio's own CA":   {map[string]string{"CA_PROVIDER": "Citadel"}, false},
		"nothing said":     {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ManagedCA(tc.env); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
