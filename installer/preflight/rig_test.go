package preflight

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/member"
)

// healthy is a mesh of members that no check has anything to say about.
func healthy(names ...string) Input {
	in := Input{FlatProved: map[string]bool{}}
	in.Mesh.Metadata.Name = "mesh-1"
	in.Mesh.Spec.IstioNamespace = "istio-system"
	for _, name := range names {
		in.Subjects = append(in.Subjects, subject(name))
	}
	return in
}

func subject(name string) Subject {
	return Subject{
		Name: name,
		Spec: v1alpha1.Cluster{Name: name, Context: "ctx-" + name},
		Facts: &member.Facts{
			UID: types.UID("uid-" + name), CAHash: "ca-" + name, HasIstioCRDs: true,
			NamespaceNetwork: "net-" + name, PodCIDRs: []string{"10.0.0.0/16"},
			ControlPlanes: []member.ControlPlane{{
				Revision: "default", Version: "1.31.1", ClusterID: name, MeshID: "mesh-1", TrustDomain: "cluster.local",
				Injector: member.Injector{
					Found: true, ClusterName: name, Network: "net-" + name, MeshID: "mesh-1", PilotCertProvider: "istiod",
				},
			}},
			Gateways: []member.Gateway{{Namespace: "istio-system", Name: "istio-eastwestgateway", Network: "net-" + name}},
			Proxies:  []member.ProxyIdentity{{ClusterID: name, Network: "net-" + name, MeshID: "mesh-1", Count: 3, Example: "shop/a", Workloads: []string{"shop/a"}}},
			RemoteSecrets: []member.RemoteSecret{{
				Namespace: "istio-system", Name: "istio-remote-secret-elsewhere",
				Keys: []member.RemoteKey{{ClusterID: "elsewhere", CAHash: "ca-elsewhere"}},
			}},
		},
	}
}

// plane is the istiod of the member at an index, to be changed.
func plane(in *Input, index int) *member.ControlPlane {
	return &in.Subjects[index].Facts.ControlPlanes[0]
}

// one is a case of one check over the healthy members east and west.
type one struct {
	check string
	// change breaks, or varies, the healthy members.
	change func(in *Input)
	// severity is empty where there must be no finding.
	severity Severity
	members  []string
	// says are parts of the detail and the fix.
	says []string
}

// runTable runs each case's check on its own.
func runTable(t *testing.T, table map[string]one) {
	t.Helper()
	for name, tc := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := healthy("east", "west")
			tc.change(&in)
			findings := Run(in, tc.check)
			if tc.severity == "" {
				if len(findings) > 0 {
					t.Errorf("nothing is wrong, got %+v", findings)
				}
				return
			}
			if len(findings) != 1 {
				t.Fatalf("got %d findings, want one: %+v", len(findings), findings)
			}
			got := findings[0]
			if got.Check != tc.check || got.Severity != tc.severity {
				t.Errorf("got %s %s, want %s %s", got.Severity, got.Check, tc.severity, tc.check)
			}
			if diff := cmp.Diff(tc.members, got.Members); diff != "" {
				t.Errorf("members (-want +got)\n%s", diff)
			}
			for _, words := range tc.says {
				if !strings.Contains(got.Detail+"\n"+got.Fix, words) {
					t.Errorf("%q is in neither\n%s\nnor\n%s", words, got.Detail, got.Fix)
				}
			}
		})
	}
}

func both() []string { return []string{"east", "west"} }
