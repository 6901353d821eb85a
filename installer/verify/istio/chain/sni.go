package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
)

func sniChecks() []Check {
	return []Check{
		{
			ID: "sni-exposed", Hop: HopSNI, Test: testExposed,
			Claim: "a Gateway object exposes the Service on the gateway (AUTO_PASSTHROUGH)",
			Hint:  "without one there is no listener on 15443: the guide's expose-services.yaml",
		},
		{
			ID: "sni-accepted", Hop: HopSNI, Test: testAccepted,
			Claim: "the gateway's Envoy accepts its configuration",
			Hint:  "two AUTO_PASSTHROUGH servers with overlapping hosts make one that it refuses",
		},
		{
			ID: "sni-listener", Symptom: true, Hop: HopSNI, Test: testListener,
			Claim: "the gateway's Envoy listens on the gateway port",
			Hint:  "istioctl proxy-config listeners of a gateway pod",
		},
		{
			ID: "sni-chain", Symptom: true, Hop: HopSNI, Test: testChain,
			Claim: "the gateway's Envoy has a filter chain for the Service's server name",
			Hint:  "servers.hosts of the Gateway object decide which services have one",
		},
	}
}

// target is the port on which the producer's gateway should listen.
func (l Link) target() int {
	for _, g := range l.serving() {
		return g.TargetPort
	}
	return facts.TLSPort
}

// exposures are the servers that apply to the gateway and name the Service.
func (l Link) exposures() []facts.Exposure {
	var all []facts.Exposure
	for _, g := range l.serving() {
		for _, x := range l.Producer.Facts.Exposures {
			if x.Port == l.target() && facts.Selected(x.Selector, g.PodLabels()) && covers(x.Hosts, l.Host) {
				all = append(all, x)
			}
		}
	}
	return all
}

// covers says whether a host pattern of a Gateway takes the host. A namespace
// before a slash limits nothing here.
func covers(patterns []string, host string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if _, after, ok := strings.Cut(p, "/"); ok {
			p = after
		}
		return matchHost(p, host)
	})
}

// matchHost is Istio's wildcard match: a leading '*' stands for any prefix.
func matchHost(pattern, host string) bool {
	if rest, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, rest)
	}
	return pattern == host
}

// listeners are those of the gateway port.
func (l Link) listeners() []envoy.Listener { return l.Passthrough.Listeners }

// deaf says that the producer's gateway does not listen, as its own Envoy or the
// lack of an exposing object tells.
func (l Link) deaf() bool {
	if l.Passthrough.Read {
		return !slices.ContainsFunc(l.listeners(), func(x envoy.Listener) bool { return x.Active })
	}
	return len(l.serving()) > 0 && len(l.exposures()) == 0
}

func testExposed(l Link) *Broken {
	if len(l.remote()) == 0 || len(l.serving()) == 0 || len(l.exposures()) > 0 {
		return nil
	}
	b := &Broken{
		Cluster: l.Producer.Name, Final: true,
		Seen: fmt.Sprintf("no Gateway object with AUTO_PASSTHROUGH on port %d exposes %s at the gateway of %s", l.target(), l.Host, l.Producer.Name),
		Fix:  fmt.Sprintf("run eastwest expose for %s (the guide: kubectl apply -n istio-system -f expose-services.yaml)", l.Producer.Name),
	}
	b.Evidence = append([]string{l.seenEndpoints()}, l.dialled()...)
	if l.Passthrough.Read && l.deaf() {
		b.Evidence = append(b.Evidence, fmt.Sprintf("the Envoy of gateway pod %s has no listener on port %d", l.Passthrough.Pod, l.target()))
	}
	for _, x := range l.Producer.Facts.Exposures {
		b.Object = "Gateway " + x.String()
		b.Fix = fmt.Sprintf("let the hosts and the selector of an AUTO_PASSTHROUGH server in %s cover it (eastwest expose does), or verify in a namespace that is exposed (--namespace)", l.Producer.Name)
		b.Evidence = append(b.Evidence, fmt.Sprintf("Gateway %s has port %d, hosts %v, selector %s", x, x.Port, x.Hosts, labelText(x.Selector)))
	}
	return b
}

func testAccepted(l Link) *Broken {
	if len(l.remote()) == 0 {
		return nil
	}
	for _, x := range l.listeners() {
		if x.Rejected == "" || x.Serves(l.sni()) {
			continue
		}
		b := &Broken{
			Cluster: l.Producer.Name, Final: true, Evidence: []string{x.Rejected},
			Seen: fmt.Sprintf("the Envoy of gateway pod %s refused its listener %s", l.Passthrough.Pod, x.Name),
			Fix:  fmt.Sprintf("remove what makes it invalid in %s, most often a second Gateway object with AUTO_PASSTHROUGH and the same hosts", l.Producer.Name),
		}
		for _, e := range l.exposures() {
			b.Object = "Gateway " + e.String()
			b.Evidence = append(b.Evidence, fmt.Sprintf("Gateway %s exposes %v", e, e.Hosts))
		}
		return b
	}
	return nil
}

func testListener(l Link) *Broken {
	if len(l.remote()) == 0 || !l.Passthrough.Read || !l.deaf() {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "Pod " + l.Passthrough.Pod,
		Seen:     fmt.Sprintf("the Envoy of the gateway of %s has no listener on port %d though services are exposed", l.Producer.Name, l.target()),
		Evidence: l.dialled(),
		Fix: fmt.Sprintf("see that the selector of the Gateway object and the pod's labels agree and that istiod of %s serves the pod's revision: istioctl proxy-status",
			l.Producer.Name),
	}
}

func testChain(l Link) *Broken {
	if len(l.remote()) == 0 || !l.Passthrough.Read || l.deaf() {
		return nil
	}
	if slices.ContainsFunc(l.listeners(), func(x envoy.Listener) bool { return x.Serves(l.sni()) }) {
		return nil
	}
	b := &Broken{
		Cluster: l.Producer.Name, Object: "Pod " + l.Passthrough.Pod,
		Seen: fmt.Sprintf("the gateway of %s has no filter chain for server name %s", l.Producer.Name, l.sni()),
		Fix:  fmt.Sprintf("see that the Service exists in %s and that a Sidecar or discoverySelectors there do not hide it from the gateway", l.Producer.Name),
	}
	for _, x := range l.listeners() {
		b.Evidence = append(b.Evidence, fmt.Sprintf("listener %s serves %d server names", x.Name, len(x.ServerNames)))
	}
	return b
}
