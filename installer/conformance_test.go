package installer

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

func TestConformanceImage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		images v1alpha1.Images
		want   string
	}{
		"the published one":               {v1alpha1.Images{}, "nicolaka/netshoot:v0.15"},
		"that of a registry of one's own": {v1alpha1.Images{Registry: "mirror.example"}, "mirror.example/nicolaka/netshoot:v0.15"},
		"what is named is taken as it is": {v1alpha1.Images{Registry: "mirror.example", Conformance: "own:1"}, "own:1"},
		"the image of others has no say":  {v1alpha1.Images{Sleep: "curl:1", Probe: "curl:2"}, "nicolaka/netshoot:v0.15"},
	} {
		in := ofMembers(map[string]bool{"a": false}, v1alpha1.MeshSpec{Images: c.images})
		if got := in.conformanceImage(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
