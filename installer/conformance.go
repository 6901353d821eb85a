package installer

import (
	"context"

	"github.com/eastwest-mesh/eastwest/installer/conformance"
)

// Conformance looks whether the members have what the multi-cluster Services API
// promises. The first one exports, so their order matters; members that are out of the
// run take no part.
func (in *Installer) Conformance(ctx context.Context, options conformance.Options) (*conformance.Report, error) {
	var members []conformance.Member
	for _, s := range in.alive() {
		members = append(members, conformance.Member{
			Name: s.name(), Version: s.facts.Version, Config: s.member.Config, Kube: s.member.Kube, Dynamic: s.member.Dynamic,
		})
	}
	if len(members) == 0 {
		return nil, in.Err()
	}
	options.Image = in.conformanceImage()
	options.Progress = func(text string) {
		in.tell(Event{Cluster: "set", Step: "conformance", State: Note, Text: text})
	}
	return conformance.Run(ctx, members, options)
}

// conformanceImage applies the user's image and registry to the published one.
func (in *Installer) conformanceImage() string {
	wanted := in.mesh.Spec.Images
	switch {
	case wanted.Conformance != "":
		return wanted.Conformance
	case wanted.Registry != "":
		return wanted.Registry + "/" + conformance.DefaultImage
	}
	return conformance.DefaultImage
}
