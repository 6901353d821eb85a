package chain

import (
	"fmt"

	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func nameChecks() []Check {
	return []Check{
		{
			ID: "name-resolves", Hop: HopName, Test: testResolves,
			Claim: "the Service's name resolves in the consumer",
			Hint:  "a Service must exist in every cluster that calls it, also where it has no pods",
		},
		{
			ID: "name-known", Hop: HopName, Test: testKnown,
			Claim: "the consumer's Envoy has a cluster for the Service",
			Hint:  "istioctl proxy-config clusters; discoverySelectors and exportTo hide services",
		},
	}
}

func testResolves(l Link) *Broken {
	if l.Answer.Exit != traffic.ExitName {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Service " + l.Consumer.Namespace,
		Seen:     fmt.Sprintf("%s does not resolve in a pod of %s", l.Host, l.Consumer.Name),
		Evidence: []string{l.Answer.Detail},
		Fix:      fmt.Sprintf("look at the cluster DNS of %s: kubectl -n kube-system get pods,svc -l k8s-app=kube-dns", l.Consumer.Name),
	}
}

func testKnown(l Link) *Broken {
	if !l.View.Read || l.View.Known || l.hidingSidecar() != nil {
		return nil
	}
	b := &Broken{
		Cluster: l.Consumer.Name, Seen: l.seenEndpoints(),
		Fix: fmt.Sprintf("see whether istiod of %s pushes to its proxies: istioctl proxy-status", l.Consumer.Name),
	}
	if l.Consumer.Facts.Mesh(l.Consumer.Revision).Selects {
		b.Evidence = []string{"meshConfig.discoverySelectors limits which namespaces istiod sees"}
		b.Fix = fmt.Sprintf("label namespace %s in %s so that meshConfig.discoverySelectors matches it", l.Consumer.Namespace, l.Consumer.Name)
	}
	return b
}
