package installer

import (
	"fmt"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// checkDataplane decides what carries the traffic of this mesh: what the mesh
// file says, else what is found; who names a revision means Istio. A mixture is refused: istiod skips remote
// endpoints without sidecars and pins their identities, so half of the links
// would never carry anything.
func (in *Installer) checkDataplane() error {
	in.dataplane = in.mesh.Spec.Dataplane
	living := in.alive()
	if in.dataplane != "" || len(living) == 0 {
		return nil
	}
	var with, without []string
	for _, s := range living {
		if len(s.facts.ControlPlanes) > 0 || s.spec.Revision != "" {
			with = append(with, s.name())
		} else {
			without = append(without, s.name())
		}
	}
	switch {
	case len(without) == 0:
		in.dataplane = config.DataplaneIstio
	case len(with) == 0:
		in.dataplane = config.DataplaneEnvoy
	default:
		return problem.New(problem.Refused, "MixedDataplanes", "%s run Istio and %s do not: one mesh cannot hold both",
			strings.Join(with, ", "), strings.Join(without, ", ")).
			WithFix("install Istio in %s, or join the two kinds apart; --dataplane says which is meant", strings.Join(without, ", "))
	}
	return nil
}

// checkPlainTopology refuses links that go one way: a gateway of ours admits the
// members that its own agent has a record of, so that a consumer which the producer
// does not know would be turned away.
func (in *Installer) checkPlainTopology() error {
	links, err := in.links()
	if err != nil {
		return err
	}
	known := map[config.Link]bool{}
	for _, link := range links {
		known[link] = true
	}
	for _, link := range links {
		if !known[config.Link{Consumer: link.Producer, Producer: link.Consumer}] {
			return problem.New(problem.Refused, "OneWayLink", "%s would read %s, but not the other way round, and a gateway admits only members that its own cluster knows",
				link.Consumer, link.Producer).WithFix("link both ways: pairs:%s>%s,%s>%s, or leave --topology out", link.Consumer, link.Producer, link.Producer, link.Consumer)
		}
	}
	return nil
}

// withoutMesh reports whether the agent drives the gateways of this mesh.
func (in *Installer) withoutMesh() bool { return in.dataplane == config.DataplaneEnvoy }

// needImages refuses a run that lacks an image of our own: they have no default
// place.
func (in *Installer) needImages() error {
	images := in.mesh.Spec.Images
	var missing []string
	for _, one := range []struct{ flag, image string }{{"--image-agent", images.Agent}, {"--image-gateway", images.Gateway}} {
		if one.image == "" {
			missing = append(missing, one.flag)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return imageMissing("no istiod is used in "+strings.Join(in.Usable(), ", ")+", and clusters without a mesh need", missing)
}

// needAgentImage refuses agents beside Istio without their image.
func (in *Installer) needAgentImage() error {
	if in.mesh.Spec.Images.Agent != "" {
		return nil
	}
	return imageMissing("an agent beside Istio needs", []string{"--image-agent"})
}

func imageMissing(who string, flags []string) error {
	return problem.New(problem.Input, "ImageMissing", "%s an image of ours, which has no default place: %s", who, strings.Join(flags, " and ")).
		WithFix("build and push it, see docs/images.md, and name it: %s IMAGE", strings.Join(flags, " IMAGE "))
}

// spiffeID is the identity of a workload of ours in a member, in Istio's form.
func (in *Installer) spiffeID(role, member string) string {
	return fmt.Sprintf("spiffe://%s/ns/%s/sa/%s-%s", in.trustDomain(), agentNamespace, role, member)
}

// trustDomain of a mesh without Istio.
func (in *Installer) trustDomain() string {
	if in.mesh.Spec.Trust.Domain != "" {
		return in.mesh.Spec.Trust.Domain
	}
	return config.DefaultTrustDomain
}
