package installer

import (
	"context"
	"net"

	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
)

// istiodMonitoring is a port every istiod pod answers plain HTTP on.
const istiodMonitoring = "15014"

// proveFlat dials an istiod pod of each member from the other, for pairs with
// one network name. Only a pair that was seen to connect both ways is proved; a
// probe that cannot run proves nothing.
func (in *Installer) proveFlat(ctx context.Context, pairs [][2]preflight.Subject, proved map[string]bool) {
	for _, pair := range pairs {
		a, b := in.site(pair[0].Name), in.site(pair[1].Name)
		if in.reachesPod(ctx, a, b) && in.reachesPod(ctx, b, a) {
			proved[preflight.PairKey(a.name(), b.name())] = true
		}
	}
}

func (in *Installer) reachesPod(ctx context.Context, from, to *site) bool {
	if from.plane() == nil || to.plane() == nil {
		return false
	}
	address, err := to.member.IstiodPodIP(ctx, to.plane().Revision)
	if err != nil || address == "" {
		return false
	}
	in.tell(Event{Cluster: from.name(), Step: "preflight", State: Note, Text: "dialling a pod of " + to.name() + ", which has the same network name"})
	target := podprobe.Target{URL: "http://" + net.JoinHostPort(address, istiodMonitoring) + "/version"}
	results, err := podprobe.Run(ctx, from.member.Kube, in.probeOptions(from), []podprobe.Target{target})
	return err == nil && len(results) == 1 && results[0].OK
}
