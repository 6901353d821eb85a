package discovery

import (
	"context"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubediscovery "k8s.io/client-go/discovery"

	"github.com/eastwest-mesh/eastwest/discovery/mcs"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// importWriter writes the objects of the multi-cluster services API.
func (a *Agent) importWriter() *mcs.Writer {
	out := &mcs.Writer{
		Client: a.dynamic, API: kubediscovery.ToDiscoveryInterfaceWithContext(a.kube.Discovery()), View: a.view, Own: a.own, Mesh: a.Settings.File.Mesh,
		Problems: a.exportProblems, Namespace: a.cluster.HasNamespace,
		Vantage: func(own *model.Member) mcs.Vantage {
			from := mcs.Vantage{Own: own, Families: a.families, Sidecars: a.publisher == nil, Derived: func(key model.ServiceKey) (string, []netip.Addr) {
				return a.cluster.Address(key)
			}}
			if a.answers != nil {
				from.Unnamed = a.answers.unnamed()
			}
			return from
		},
		Unsettled: func() map[model.ServiceKey]time.Time { return a.loop.State().Unsettled }, // where there is a view there is a state
		Touched:   a.cluster.Touched(),
		Off:       !a.Settings.File.MCS.On(), Foreign: a.Settings.File.MCS.Foreign,
		Wakes: []<-chan struct{}{a.loop.subscribe()}, Log: a.Log,
	}
	if a.answers != nil {
		out.Wakes = append(out.Wakes, a.answers.made)
	}
	return out
}

// exportProblems are what is wrong with exports of the own cluster.
func (a *Agent) exportProblems() map[model.ServiceKey]mcs.Problem {
	out := map[model.ServiceKey]mcs.Problem{}
	for _, one := range a.members.exportProblems() {
		out[one.Service] = mcs.Problem{Reason: one.Reason, Message: one.Message, Withheld: one.Withheld}
	}
	return out
}

// readFamilies are those that Services of the own cluster can have, the preferred one
// first; none where it does not say. API servers before Kubernetes 1.33 do not tell of
// a second one.
func (a *Agent) readFamilies(ctx context.Context) []model.Family {
	const name = "kubernetes" // of the ServiceCIDR and of the Service that every API server makes
	if ranges, err := a.kube.NetworkingV1().ServiceCIDRs().Get(ctx, name, metav1.GetOptions{}); err == nil {
		var families []model.Family
		for _, text := range ranges.Spec.CIDRs {
			if prefix, err := netip.ParsePrefix(text); err == nil {
				families = append(families, model.FamilyOf(prefix.Addr()))
			}
		}
		return families
	}
	object, err := a.kube.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		a.Log.Warn("read the IP families of the own cluster", "error", err)
		return nil
	}
	families := make([]model.Family, len(object.Spec.IPFamilies))
	for i, one := range object.Spec.IPFamilies {
		families[i] = model.Family(one)
	}
	return families
}
