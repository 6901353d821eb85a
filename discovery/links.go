package discovery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/meshid"
	"github.com/eastwest-mesh/eastwest/discovery/metrics"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/probe"
)

// istioProtocol is an ALPN protocol by which a gateway of an istiod knows mutual TLS
// of the mesh. It lets nothing else through.
// Source: istio.io/istio/pilot/pkg/networking/core, allIstioMtlsALPNs.
const istioProtocol = "istio"

// Why no more than TCP is tried, beside Istio.
const (
	shortNoAuthority = "this agent has no way to a certificate of the mesh"
	shortNoProbe     = "the member's record names no agent that answers"
	shortNotReady    = "no agent of the member is ready"
)

// probeOptions are with what links are probed: the gateway's certificate where the
// agent drives one, else one of the istiod's mesh.
func (a *Agent) probeOptions() probe.Options {
	options := probe.Options{Targets: a.targets}
	file := a.Settings.File.Probe
	switch {
	case a.authority != nil:
		options.Certificate, options.Roots = a.gateway.Certificate, a.authority.Pool
	case file.Authority != "":
		a.meshID = meshid.New(meshid.Options{Authority: file.Authority, Token: file.Token, Root: file.Root, Log: a.Log})
		options.Certificate, options.Roots = a.meshCertificate, a.meshRoots
	}
	return options
}

func (a *Agent) meshCertificate() (*tls.Certificate, error) {
	current, err := a.meshID.Current()
	return current.TLS, err
}

// meshRoots are what certificates of the mesh lead to; none before there is one of
// our own.
func (a *Agent) meshRoots() *x509.CertPool {
	current, err := a.meshID.Current()
	if err != nil {
		return x509.NewCertPool()
	}
	return current.Roots
}

// targets are the members on other networks.
func (a *Agent) targets() []probe.Target {
	state := a.loop.State()
	if state == nil {
		return nil
	}
	own := state.View.Members[a.own]
	var all []probe.Target
	for name, member := range state.View.Members {
		if name != a.own && own != nil && member.Network != own.Network {
			all = append(all, a.target(name, member))
		}
	}
	return all
}

// target is how a member is probed.
func (a *Agent) target(name model.MemberName, member *model.Member) probe.Target {
	target := probe.Target{Member: name, Addresses: member.Gateways, Identity: member.Identity}
	if a.authority != nil {
		return target
	}
	record, _ := a.members.record(name)
	way := probe.Behind(record.Probe.ServerName, istioProtocol, name)
	target.Way, target.Identity = &way, record.Probe.Identity
	target.Excuse = func(ctx context.Context) string { return a.excuse(ctx, name) }
	switch {
	case a.meshID == nil && a.Settings.File.Probe.Absent != "":
		target.Short = a.Settings.File.Probe.Absent
	case a.meshID == nil:
		target.Short = shortNoAuthority
	case record.Probe.ServerName == "":
		target.Short = shortNoProbe
	}
	return target
}

// excuse asks a member itself whether any of its agents is ready: that none answers
// is no fault of the way then. Their namespace is not watched, as nothing is exported
// from it. Where the member does not say, the way is what is broken.
func (a *Agent) excuse(ctx context.Context, name model.MemberName) string {
	config, known := a.members.config(name)
	if !known {
		return ""
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return ""
	}
	service := discoveryv1.LabelServiceName + "=" + v1alpha1.ProbeService(string(name))
	list, err := kube.DiscoveryV1().EndpointSlices(v1alpha1.AgentNamespace).List(ctx, metav1.ListOptions{LabelSelector: service})
	if err != nil || anyReady(list.Items) {
		return ""
	}
	return shortNotReady
}

func anyReady(all []discoveryv1.EndpointSlice) bool {
	return slices.ContainsFunc(all, func(slice discoveryv1.EndpointSlice) bool {
		return slices.ContainsFunc(slice.Endpoints, func(endpoint discoveryv1.Endpoint) bool {
			return endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
		})
	})
}

// isAgent reports whether an identity is that of an agent. Which trust domains
// there are is said by the roots.
func isAgent(identity, namespace string) bool {
	rest, isSPIFFE := strings.CutPrefix(identity, "spiffe://")
	domain, found := strings.CutSuffix(rest, fmt.Sprintf("/ns/%s/sa/%s", namespace, agentAccount))
	return isSPIFFE && found && domain != "" && !strings.Contains(domain, "/")
}

// answerProbes answers the agents of other members.
func (a *Agent) answerProbes(ctx context.Context) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", a.Settings.File.Probe.Listen)
	if err != nil {
		return fmt.Errorf("listen for probes: %w", err)
	}
	responder := &probe.Responder{
		Member: a.own, Certificate: a.meshCertificate, Roots: a.meshRoots, Protocols: []string{istioProtocol},
		Admits: func(identity string) bool { return isAgent(identity, a.Namespace) },
	}
	return responder.Serve(ctx, listener)
}

// counted is the link to a member as monitoring sees it; nil where it is not probed.
func (a *Agent) counted(name model.MemberName) *metrics.Link {
	result, known := a.prober.Result(name)
	if !known {
		return nil
	}
	link := &metrics.Link{Up: result.OK, RTT: result.RTT, Failures: map[string]int{}}
	for hop, count := range a.prober.Failures(name) {
		link.Failures[string(hop)] = count
	}
	return link
}

// countedAddresses are a member's advertised addresses as monitoring sees them.
func (a *Agent) countedAddresses(name model.MemberName) *metrics.Addresses {
	result, known := a.addresses.Result(name)
	if !known {
		return nil
	}
	return &metrics.Addresses{Kept: result.Problem == "", Restored: result.Restored}
}
