// Package istio is what a verification has to know of a mesh of Istio: under
// which names pods call, what istiods, gateways and sidecars say of the links,
// and what the weights in a sidecar are. It collects; judging is package chain's.
//
//	facts   what one cluster's API says about its part in the mesh
//	envoy   what one proxy says about itself
//	chain   pure: the checks of a link
package istio

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

// Dataplane is Istio, during one run.
type Dataplane struct {
	members map[*verify.Member]*member
}

// New prepares for one run.
func New() *Dataplane { return &Dataplane{members: map[*verify.Member]*member{}} }

// member is a cluster, as Istio sees it.
type member struct {
	*verify.Member
	facts facts.Cluster
}

// of is the member; empty for one that took no part from the start.
func (d *Dataplane) of(m *verify.Member) *member {
	if known := d.members[m]; known != nil {
		return known
	}
	return &member{Member: m}
}

// Plain is false: pods get sidecars, and every service is exposed.
func (d *Dataplane) Plain() bool { return false }

// Prepare reads the mesh, and sees to it that probes go past sidecars.
func (d *Dataplane) Prepare(ctx context.Context, s *verify.Scene) {
	for _, m := range s.Members {
		d.members[m] = &member{Member: m}
	}
	s.Each(func(m *verify.Member) {
		d.of(m).facts = d.of(m).reader().Read(ctx)
	})
	ports := d.directPorts()
	for _, m := range s.Members {
		m.Plan.DirectPorts = ports
	}
}

// Refresh has nothing to look for: names are those of the Services.
func (d *Dataplane) Refresh(context.Context, *verify.Scene, *verify.Member) {}

// Host is the short name, as in the guide.
func (d *Dataplane) Host(m *verify.Member, service string) string {
	return service + "." + m.Plan.Namespace
}

// Unseen judges a cell by what the clusters' APIs said.
func (d *Dataplane) Unseen(c *verify.Cell) judge.Verdict {
	return chain.First(d.evidence(c, &sight{}, &sight{}))
}

// Network is where istiod puts the member's helloworld.
func (d *Dataplane) Network(m *verify.Member) string {
	if m.Hello.Pod == nil {
		return ""
	}
	return d.of(m).networkOf(m.Hello)
}

// Unread is what of the mesh could not be read.
func (d *Dataplane) Unread(m *verify.Member) []string { return d.of(m).facts.Unread }

// Order is that of the chain.
func (d *Dataplane) Order() []string { return judge.IDs(chain.Checks()) }

// Advice is where to look in a mesh of Istio.
func (d *Dataplane) Advice() verify.Advice {
	return verify.Advice{
		Flaky:      "see whether one of several gateway addresses or replicas is down: istioctl proxy-config endpoints of a pod of %s",
		Skewed:     "see which DestinationRule, locality setting or outlier ejection is in force for %s",
		Missing:    "compare the endpoints of helloworld and of the link Service in the Envoy of %s",
		Weightless: "expected with locality failover (outlierDetection in a DestinationRule); else compare the endpoints of helloworld in the Envoy of %s",
	}
}

func (m *member) istioNamespace() string {
	if m.IstioNamespace == "" {
		return "istio-system"
	}
	return m.IstioNamespace
}

func (m *member) reader() facts.Reader {
	return facts.Reader{
		Kube: m.Kube, Dynamic: m.Dynamic, Exec: m.Run,
		IstioNamespace: m.istioNamespace(), Namespace: m.Plan.Namespace,
	}
}

// admin asks the Envoy of a pod, as istioctl does.
func (m *member) admin(ctx context.Context, namespace, pod, path string) ([]byte, error) {
	target := podexec.Target{Namespace: namespace, Pod: pod, Container: harness.Proxy}
	return m.Run(ctx, target, "pilot-agent", "request", "GET", path)
}

// sidecar asks the Envoy beside one of our own pods.
func (m *member) sidecar(ctx context.Context, pod *corev1.Pod, path string) ([]byte, error) {
	return m.admin(ctx, pod.Namespace, pod.Name, path)
}

// services are those of the run, for Envoy's paths.
func (m *member) services() envoy.Namespace {
	return envoy.Namespace{Name: m.Plan.Namespace, Port: harness.Port}
}

// directPorts are those that probes dial past the sidecar: gateways' and API
// servers' of all members. The test traffic itself uses another port.
func (d *Dataplane) directPorts() []int {
	ports := []int{facts.TLSPort, healthPort}
	for _, m := range d.members {
		for _, g := range m.facts.Gateways {
			if g.Port != 0 {
				ports = append(ports, g.Port)
			}
			if g.NodePort != 0 {
				ports = append(ports, g.NodePort)
			}
		}
		for _, declared := range m.facts.Declared {
			ports = append(ports, declared.Port)
		}
		for _, s := range m.facts.RemoteSecrets {
			if u, err := url.Parse(s.Server); err == nil {
				ports = append(ports, portOf(u))
			}
		}
	}
	return slices.DeleteFunc(ports, func(port int) bool { return port == harness.Port })
}

// healthPort is where a sidecar tells the kubelet that it is ready.
const healthPort = 15021

// portOf is the port of an API server's URL.
func portOf(u *url.URL) int {
	if n, err := strconv.Atoi(u.Port()); err == nil {
		return n
	}
	return 443
}
