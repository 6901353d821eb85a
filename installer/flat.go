package installer

import (
	"context"
	"net"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
)

// istiodMonitoring is a port every istiod pod answers plain HTTP on.
const istiodMonitoring = "15014"

// proveFlat dials a pod of each member from the other, for pairs with one network
// name. Only a pair that was seen to connect both ways is proved; a probe that
// cannot run proves nothing.
func (in *Installer) proveFlat(ctx context.Context, pairs [][2]preflight.Subject, proved map[string]bool) {
	for _, pair := range pairs {
		a, b := in.site(pair[0].Name), in.site(pair[1].Name)
		if in.reachesPod(ctx, a, b) && in.reachesPod(ctx, b, a) {
			proved[preflight.PairKey(a.name(), b.name())] = true
		}
	}
}

func (in *Installer) reachesPod(ctx context.Context, from, to *site) bool {
	options, targets := in.flatOptions(from), in.flatTargets(ctx, to)
	if len(targets) == 0 || options.Image == "" {
		return false
	}
	in.tell(Event{Cluster: from.name(), Step: "preflight", State: Note, Text: "dialling a pod of " + to.name() + ", which has the same network name"})
	results, err := podprobe.Run(ctx, from.member.Kube, options, targets)
	return err == nil && slices.ContainsFunc(results, func(r podprobe.Result) bool { return r.OK })
}

// flatOptions say where the probe runs: before the first up, a cluster without a
// mesh has no namespace of ours yet.
func (in *Installer) flatOptions(from *site) podprobe.Options {
	if !in.withoutMesh() && from.plane() == nil {
		return podprobe.Options{}
	}
	options := in.probeOptions(from)
	if in.withoutMesh() {
		options.Namespace = metav1.NamespaceDefault
	}
	return options
}

// flatTargets are in istiod's pod, or in what else runs there for the cluster itself.
func (in *Installer) flatTargets(ctx context.Context, to *site) []podprobe.Target {
	if in.withoutMesh() {
		urls, err := to.member.HealthURLs(ctx)
		if err != nil {
			in.tell(Event{Cluster: to.name(), Step: "preflight", State: Note, Text: err.Error()})
		}
		var targets []podprobe.Target
		for _, url := range urls {
			targets = append(targets, podprobe.Target{URL: url})
		}
		return targets
	}
	if to.plane() == nil {
		return nil
	}
	address, err := to.member.IstiodPodIP(ctx, to.plane().Revision)
	if err != nil || address == "" {
		return nil
	}
	return []podprobe.Target{{URL: "http://" + net.JoinHostPort(address, istiodMonitoring) + "/version"}}
}
