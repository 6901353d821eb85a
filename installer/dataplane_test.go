package installer

import (
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/member"
)

// ofMembers is a run over members, of which some run Istio.
func ofMembers(istio map[string]bool, spec v1alpha1.MeshSpec) *Installer {
	in := &Installer{mesh: v1alpha1.Mesh{Spec: spec}}
	for _, name := range []string{"a", "b", "c"} {
		with, known := istio[name]
		if !known {
			continue
		}
		facts := &member.Facts{}
		if with {
			facts.ControlPlanes = []member.ControlPlane{{Revision: "r"}}
		}
		in.sites = append(in.sites, &site{spec: v1alpha1.Cluster{Name: name}, facts: facts})
	}
	return in
}

func TestWhatCarriesTheTraffic(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		istio map[string]bool
		asked string
		want  string
		says  string
	}{
		"all run Istio":    {map[string]bool{"a": true, "b": true}, "", config.DataplaneIstio, ""},
		"nobody does":      {map[string]bool{"a": false, "b": false}, "", config.DataplaneEnvoy, ""},
		"a mixture":        {map[string]bool{"a": true, "b": false}, "", "", "MixedDataplanes: a run Istio and b do not"},
		"a mixture, asked": {map[string]bool{"a": true, "b": false}, config.DataplaneEnvoy, config.DataplaneEnvoy, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := ofMembers(tc.istio, v1alpha1.MeshSpec{Dataplane: tc.asked})
			err := in.checkDataplane()
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%v, want %s", err, tc.says)
				}
				return
			}
			if err != nil || in.dataplane != tc.want {
				t.Errorf("%q %v, want %q", in.dataplane, err, tc.want)
			}
		})
	}
}

func TestLinksWithoutIstioGoBothWays(t *testing.T) {
	t.Parallel()
	for topology, refused := range map[string]bool{
		"full": false, "hub:a": false, "pairs:a>b,b>a": false, "pairs:a>b": true,
	} {
		t.Run(topology, func(t *testing.T) {
			t.Parallel()
			in := ofMembers(map[string]bool{"a": false, "b": false, "c": false}, v1alpha1.MeshSpec{Topology: topology})
			if err := in.checkPlainTopology(); (err != nil) != refused {
				t.Errorf("%v, want refused: %v", err, refused)
			}
		})
	}
}

func TestImagesOfOurOwn(t *testing.T) {
	t.Parallel()
	in := ofMembers(map[string]bool{"a": false}, v1alpha1.MeshSpec{Images: v1alpha1.Images{Agent: "x"}})
	err := in.needImages()
	if err == nil || !strings.Contains(err.Error(), "--image-gateway") || strings.Contains(err.Error(), "--image-agent ") {
		t.Errorf("%v", err)
	}
}
