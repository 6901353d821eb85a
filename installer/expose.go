package installer

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/render"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Expose lets peers reach the members' services through their gateways, and
// proves from a peer that port 15443 answers where it was just exposed.
func (in *Installer) Expose(ctx context.Context) error {
	if err := in.checkChosen(ctx); err != nil {
		return err
	}
	fresh := make([]bool, len(in.sites))
	index := map[*site]int{}
	for i, s := range in.sites {
		index[s] = i
	}
	in.each(ctx, "expose", func(ctx context.Context, s *site) error {
		adopted, done, err := in.reuseExposure(s)
		if done || err != nil {
			return err
		}
		var hosts []any
		for _, host := range in.exposedHosts(s) {
			hosts = append(hosts, host)
		}
		values := render.Values{"hosts": hosts}
		if gateway := s.gateway(); gateway != nil && gateway.Selector["istio"] != "" {
			values["selector"] = map[string]any{"istio": gateway.Selector["istio"]}
		}
		namespace := s.spec.Gateway.Namespace
		if adopted != nil {
			namespace, values["name"] = adopted.Namespace, adopted.Name
		}
		objects, err := render.Chart(render.Release{
			Chart: "eastwest-expose", Namespace: namespace, Layers: []render.Values{values},
		})
		if err != nil {
			return err
		}
		fresh[index[s]], err = in.applySet(ctx, s, apply.Set{Name: exposeSet, Objects: objects})
		return err
	})
	if !in.options.DryRun && !in.options.NoWait {
		in.probeGateways(ctx, fresh)
	}
	return nil
}

// reuseExposure finds an exposure of somebody else's on the same gateway pods
// and port. Two of them with overlapping hosts would make Envoy reject the
// listener, so one that covers what is wanted is used as it is, and any other
// is explained, or returned to be taken over.
func (in *Installer) reuseExposure(s *site) (adopted *member.Exposure, done bool, err error) {
	exposure := s.foreignExposure()
	if exposure == nil || in.options.Adopt {
		return exposure, false, nil
	}
	object := "Gateway " + exposure.Namespace + "/" + exposure.Name
	if coveredBy(*exposure, in.mesh.Spec.Expose.Hosts) {
		in.tell(Event{Cluster: s.name(), Step: "expose", State: Note, Text: "reused " + object})
		return nil, true, nil
	}
	return nil, true, problem.New(problem.Refused, "ExposureDiffers",
		"its gateway already exposes %s, a second exposure of %s beside it would break the listener",
		strings.Join(exposure.Hosts, ", "), strings.Join(in.mesh.Spec.Expose.Hosts, ", ")).
		On(s.name()).About(object).
		WithFix("add the hosts to it, delete it and run this again, or hand it to eastwest with --adopt")
}

// foreignExposure is an exposure of somebody else's on the pods and the port of the
// member's gateway; nil where there is none.
func (s *site) foreignExposure() *member.Exposure {
	gateway := s.gateway()
	for i, exposure := range s.facts.Exposures {
		if exposure.Labels[apply.ManagedByLabel] == apply.FieldManager || exposure.Port != member.GatewayPort {
			continue
		}
		if gateway == nil || selects(exposure.Selector, gateway.Selector) {
			return &s.facts.Exposures[i]
		}
	}
	return nil
}

// selects reports whether every label of a selector is among labels.
func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return true
}

// dialled lists where peers dial a member's gateway.
func (s *site) dialled() []string {
	var out []string
	for _, text := range s.spec.Gateway.AdvertisedAddresses {
		if host, port, err := config.Address(text); err == nil {
			out = append(out, net.JoinHostPort(host, strconv.Itoa(port)))
		}
	}
	if len(out) > 0 {
		return out
	}
	gateway := s.gateway()
	if gateway == nil {
		return nil
	}
	for _, address := range gateway.Addresses {
		out = append(out, net.JoinHostPort(address, strconv.Itoa(int(gateway.Port))))
	}
	return out
}

// gatewayProbe is one port of a gateway, dialled from a peer.
type gatewayProbe struct {
	target podprobe.Target
	name   string
	// answers is true where HTTP must answer, not only TCP connect.
	answers bool
}

// good reports whether a probe saw what it wants.
func (p gatewayProbe) good(result podprobe.Result) bool {
	return result.OK || result.Connected && !p.answers
}

// gatewayProbes are the ports of a producer's gateway that peers must reach: the
// one for traffic, and the health port where its Service publishes it.
func gatewayProbes(producer *site) []gatewayProbe {
	var probes []gatewayProbe
	for _, address := range producer.dialled() {
		probes = append(probes, gatewayProbe{
			target: podprobe.Target{URL: "https://" + address},
			name:   producer.name() + "'s gateway " + address,
		})
	}
	gateway := producer.gateway()
	if gateway == nil || gateway.HealthPort == 0 || len(producer.spec.Gateway.AdvertisedAddresses) > 0 {
		return probes
	}
	for _, host := range gateway.Addresses {
		address := net.JoinHostPort(host, strconv.Itoa(int(gateway.HealthPort)))
		probes = append(probes, gatewayProbe{
			target:  podprobe.Target{URL: "http://" + address + "/healthz/ready"},
			name:    "the health port of " + producer.name() + "'s gateway " + address,
			answers: true,
		})
	}
	return probes
}

// probeGateways dials each freshly exposed gateway from one peer. A gateway that
// does not answer is a failure of its member, but not the end of the run:
// verification names the broken hop.
func (in *Installer) probeGateways(ctx context.Context, fresh []bool) {
	living := in.alive()
	if len(living) < 2 {
		return
	}
	in.each(ctx, probeStep, func(ctx context.Context, s *site) error {
		var probes []gatewayProbe
		for i, producer := range in.sites {
			if fresh[i] && producer.alive() && in.proberOf(producer, living) == s {
				probes = append(probes, gatewayProbes(producer)...)
			}
		}
		return in.dialUntilGood(ctx, s, probes)
	})
}

// proberOf is the member from which a producer's gateway is probed: the next one.
func (in *Installer) proberOf(producer *site, living []*site) *site {
	for i, s := range living {
		if s == producer {
			return living[(i+1)%len(living)]
		}
	}
	return nil
}

// probeStep is the name of the step in the progress.
const probeStep = "probe gateways"

// probeRounds bounds how often a gateway is dialled: its Envoy needs a moment to
// open the port after the exposure was written.
const probeRounds = 5

func (in *Installer) dialUntilGood(ctx context.Context, s *site, probes []gatewayProbe) error {
	if len(probes) == 0 {
		return nil
	}
	targets := make([]podprobe.Target, len(probes))
	for i, probe := range probes {
		targets[i] = probe.target
	}
	var failed []string
	for range probeRounds {
		results, err := podprobe.Run(ctx, s.member.Kube, in.probeOptions(s), targets)
		if err != nil {
			in.tell(Event{Cluster: s.name(), Step: probeStep, State: Note, Text: err.Error()})
			return nil
		}
		failed = failed[:0]
		for i, probe := range probes {
			if !probe.good(results[i]) {
				failed = append(failed, fmt.Sprintf("%s is not reachable from here: %s", probe.name, results[i].Reason))
			}
		}
		if len(failed) == 0 {
			return nil
		}
	}
	for _, text := range failed {
		in.tell(Event{Cluster: s.name(), Step: probeStep, State: Note, Text: text})
	}
	return nil
}

// probeOptions say where and with which image a probe runs in a member.
func (in *Installer) probeOptions(s *site) podprobe.Options {
	image := in.mesh.Spec.Images.Probe
	switch {
	case image != "":
	case in.withoutMesh():
		image = in.verifyImages().Sleep
	default:
		image = s.plane().Injector.ProxyImage
	}
	return podprobe.Options{Namespace: in.probeNamespace(), Image: image}
}

// probeNamespace is where probe pods run: a namespace that is there in any case.
func (in *Installer) probeNamespace() string {
	if in.withoutMesh() {
		return agentNamespace
	}
	return in.mesh.Spec.IstioNamespace
}
