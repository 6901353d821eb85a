package chain

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
)

// bypassed says that the consumer was not told to use a gateway: it has pod
// addresses of another network, or nothing at all.
func (l Link) bypassed() bool {
	return !l.Self() && l.View.Read && l.View.Known && len(l.remote()) == 0
}

func testSameNetwork(l Link) *Broken {
	direct := l.direct()
	if l.Self() || len(direct) == 0 || l.Consumer.Network != l.Producer.Network {
		return nil
	}
	for _, e := range direct {
		if l.Dials[e.String()].Connected() {
			return nil
		}
	}
	return &Broken{
		Cluster: l.Producer.Name, Final: true,
		Seen: fmt.Sprintf("%s and %s have the same network name %q, but pods of one do not reach pods of the other",
			l.Consumer.Name, l.Producer.Name, l.Producer.Network),
		Evidence: []string{l.seenEndpoints() + ", a pod"},
		Fix: fmt.Sprintf("give %s a network name of its own: values.global.network, label %s on the namespace of istiod and on the gateway; then restart its workloads",
			l.Producer.Name, facts.NetworkLabel),
	}
}

func testService(l Link) *Broken {
	if !l.bypassed() || l.declared() || slices.ContainsFunc(l.Producer.Facts.Gateways, hasPort) {
		return nil
	}
	// A label without the port is as good as no gateway.
	b := &Broken{
		Cluster: l.Producer.Name, Final: true, Evidence: []string{l.seenEndpoints()},
		Seen: fmt.Sprintf("%s has no east-west gateway Service", l.Producer.Name),
		Fix:  fmt.Sprintf("run eastwest gateway for %s", l.Producer.Name),
	}
	if all := l.Producer.Facts.Gateways; len(all) > 0 {
		b.Object = "Service " + all[0].String()
		b.Seen = fmt.Sprintf("Service %s has the network label but no port %d", all[0], facts.TLSPort)
	}
	return b
}

func hasPort(g facts.Gateway) bool { return g.Port != 0 }

func testNetwork(l Link) *Broken {
	if !l.bypassed() || l.declared() || len(l.gateways()) > 0 {
		return nil
	}
	i := slices.IndexFunc(l.Producer.Facts.Gateways, hasPort)
	if i < 0 {
		return nil
	}
	g := l.Producer.Facts.Gateways[i]
	b := &Broken{
		Cluster: l.Producer.Name, Object: "Service " + g.String(), Final: true,
		Seen: fmt.Sprintf("label %s of the gateway Service is %q, the pods of %s are on network %q",
			facts.NetworkLabel, g.Network, l.Producer.Name, l.Producer.Network),
		Evidence: []string{l.seenEndpoints()},
		Fix: fmt.Sprintf("in %s: kubectl -n %s label svc %s %s=%s --overwrite",
			l.Producer.Name, g.Namespace, g.Name, facts.NetworkLabel, l.Producer.Network),
	}
	if l.Producer.Network == "" {
		b.Fix = fmt.Sprintf("in %s: set values.global.network=%s and label the namespace of istiod %s=%s; then restart its workloads",
			l.Producer.Name, g.Network, facts.NetworkLabel, g.Network)
	}
	return b
}

// testAddress does not ask what the consumer dials: an istiod goes on with an
// address that the Service had before.
func testAddress(l Link) *Broken {
	gateways := l.gateways()
	if l.Self() || !l.View.Known || l.anyDial() || l.declared() || len(gateways) == 0 || len(addressesOf(gateways)) > 0 || slices.ContainsFunc(gateways, atNodes) {
		return nil
	}
	g := gateways[0]
	return &Broken{
		Cluster: l.Producer.Name, Object: "Service " + g.String(), Final: true,
		Seen:     "the gateway Service has no address (no load balancer address, no external IP)",
		Evidence: append([]string{l.seenEndpoints()}, l.dialled()...),
		Fix: fmt.Sprintf("give Service %s in %s an address: a load balancer controller, spec.externalIPs, or an advertised address (eastwest gateway --advertise)",
			g, l.Producer.Name),
	}
}

func atNodes(g facts.Gateway) bool { return g.NodePort != 0 }

func addressesOf(gateways []facts.Gateway) []string {
	var all []string
	for _, g := range gateways {
		all = append(all, g.Addresses...)
	}
	return all
}

// testCurrent compares addresses only where all are IPs: what istiod made of a
// host name is not known here.
func testCurrent(l Link) *Broken {
	now := addressesOf(l.gateways())
	if len(l.remote()) == 0 || len(now) == 0 || l.anyDial() || l.declared() || slices.ContainsFunc(l.gateways(), atNodes) {
		return nil
	}
	for _, address := range now {
		if net.ParseIP(address) == nil {
			return nil
		}
	}
	for _, e := range l.remote() {
		if slices.Contains(now, e.Address) {
			return nil
		}
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Service " + l.gateways()[0].String(),
		Seen: fmt.Sprintf("%s dials %s, but the gateway Service of %s has %s",
			l.Consumer.Name, addresses(l.remote()), l.Producer.Name, strings.Join(now, ", ")),
		Evidence: l.dialled(),
		Fix:      fmt.Sprintf("restart istiod of %s if it does not follow within a minute (kubectl -n istio-system rollout restart deploy -l app=istiod)", l.Consumer.Name),
	}
}
