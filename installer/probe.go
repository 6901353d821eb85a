package installer

import (
	"fmt"
	"net"
	"strconv"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/render"
)

// istiodPort is where an istiod signs certificates.
const istiodPort = 15012

// noProbe says why the agent of a member cannot get a certificate of the mesh, for
// which links to and from it are tried by TCP alone; empty where it can.
func (s *site) noProbe() string {
	state := s.trust()
	switch {
	case !state.Kind.Istiod():
		return fmt.Sprintf("istiod does not sign the certificates of the mesh (%s)", state.Kind)
	case state.MultiRoot:
		return "the members have several roots"
	}
	return ""
}

// probeValues are the agent's values for the link probe of a member.
func (s *site) probeValues() render.Values {
	if reason := s.noProbe(); reason != "" {
		return render.Values{"config": map[string]any{"probe": map[string]any{"absent": reason}}}
	}
	plane, namespace := s.plane(), s.spec.Gateway.Namespace
	if gateway := s.gateway(); gateway != nil {
		namespace = gateway.Namespace
	}
	authority := net.JoinHostPort(plane.Deployment+"."+s.member.IstioNamespace+".svc", strconv.Itoa(istiodPort))
	return render.Values{"probe": map[string]any{
		"enabled": true, "authority": authority, "service": v1alpha1.ProbeService(s.name()),
		"gatewayNamespace": namespace,
	}}
}

// probeHost is the Service that a member's gateway leads probes to.
func (s *site) probeHost() string {
	return v1alpha1.ProbeService(s.name()) + "." + agentNamespace + ".svc.cluster.local"
}

// probed is what consumers are told of the probe of a member. An exposure of
// somebody else's that leaves it out is nobody's fault: then there is none.
func (in *Installer) probed(s *site) v1alpha1.MemberProbe {
	if s.noProbe() != "" || !in.exposesProbe(s) {
		return v1alpha1.MemberProbe{}
	}
	return v1alpha1.MemberProbe{
		ServerName: fmt.Sprintf("outbound_.%d_._.%s", v1alpha1.ProbePort, s.probeHost()),
		Identity:   fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", s.trust().TrustDomain, agentNamespace, agentName),
	}
}

// exposesProbe reports whether peers reach the probe through the member's gateway.
// What eastwest exposes itself has its host in any case.
func (in *Installer) exposesProbe(s *site) bool {
	exposure := s.foreignExposure()
	return exposure == nil || in.options.Adopt || matchesHost(exposure.Hosts, s.probeHost())
}

// exposedHosts are those of a member: what the mesh file chose, and the host of the
// probe where that does not cover it.
func (in *Installer) exposedHosts(s *site) []string {
	hosts := in.mesh.Spec.Expose.Hosts
	if !in.mesh.Spec.Agent.BesideIstio || s.plane() == nil || s.noProbe() != "" || matchesHost(hosts, s.probeHost()) {
		return hosts
	}
	return append(hosts[:len(hosts):len(hosts)], s.probeHost())
}
