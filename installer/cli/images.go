package cli

import (
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/conformance"
)

// imageFlags replace the images that eastwest runs in clusters.
type imageFlags struct {
	registry, helloworld, sleep, probe string
	agent, gateway, conformance        string
}

func (i *imageFlags) addRegistry(flags *pflag.FlagSet) {
	flags.StringVar(&i.registry, "image-registry", "", "put before every image, for sites with a registry of their own")
}

// addProbe adds the flags of commands that only probe.
func (i *imageFlags) addProbe(flags *pflag.FlagSet) {
	i.addRegistry(flags)
	flags.StringVar(&i.probe, "image-probe", "", "image of address probes; needs sh and curl (default: the cluster's own proxy image)")
}

// addConformance adds the flags of mcs conformance.
func (i *imageFlags) addConformance(flags *pflag.FlagSet) {
	i.addRegistry(flags)
	flags.StringVar(&i.conformance, "image-conformance", "", "image of all pods; needs sh, nslookup of BIND, nc of OpenBSD and socat (default "+conformance.DefaultImage+")")
}

// addAgent adds the flags of commands that bring agents and their gateways.
func (i *imageFlags) addAgent(flags *pflag.FlagSet) {
	flags.StringVar(&i.agent, "image-agent", "", "image of the discovery agent; it has no default place, see docs/images.md")
	flags.StringVar(&i.gateway, "image-gateway", "", "image of a gateway without a mesh: Envoy and the agent's binary; no default place")
}

// addAll adds the flags of commands that verify too.
func (i *imageFlags) addAll(flags *pflag.FlagSet) {
	i.addProbe(flags)
	flags.StringVar(&i.helloworld, "image-helloworld", "", "image of the test server (default: the one Istio publishes)")
	flags.StringVar(&i.sleep, "image-sleep", "", "image of the test client; needs sh and curl (default: the one curl publishes)")
}

func (i *imageFlags) apply(mesh *config.Mesh) {
	set := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	set(&mesh.Spec.Images.Registry, i.registry)
	set(&mesh.Spec.Images.Helloworld, i.helloworld)
	set(&mesh.Spec.Images.Sleep, i.sleep)
	set(&mesh.Spec.Images.Probe, i.probe)
	set(&mesh.Spec.Images.Conformance, i.conformance)
	set(&mesh.Spec.Images.Agent, i.agent)
	set(&mesh.Spec.Images.Gateway, i.gateway)
}
