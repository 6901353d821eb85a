package discovery

import (
	"context"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/discovery/mcs"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// importWriter writes the objects of the multi-cluster services API.
func (a *Agent) importWriter() *mcs.Writer {
	out := &mcs.Writer{
		Client: a.dynamic, API: a.kube.Discovery(), View: a.view, Own: a.own, Mesh: a.Settings.File.Mesh,
		Problems: a.exportProblems, Namespace: a.cluster.HasNamespace,
		Vantage: func(own *model.Member) mcs.Vantage {
			from := mcs.Vantage{Own: own, Families: a.families, Sidecars: a.publisher == nil, Derived: func(key model.ServiceKey) (string, []netip.Addr) {
				return a.cluster.Address(key)
			}}
			if a.answers != nil {
				from.Unnamed = a.answers.unnamed
			}
			return from
		},
		Unsettled: func(key model.ServiceKey) bool {
			state := a.loop.State()
			if state == nil {
				return true
			}
			_, fresh := state.Unsettled[key]
			return fresh
		},
		Off: !a.Settings.File.MCS.On(), Foreign: a.Settings.File.MCS.Foreign,
		Wakes: []<-chan struct{}{a.loop.subscribe(), a.cluster.Changed()}, Log: a.Log,
	}
	if a.answers != nil {
		out.Wakes = append(out.Wakes, a.answers.made)
	}
	return out
}

// exportProblems are what is wrong with exports of the own cluster.
func (a *Agent) exportProblems() map[model.ServiceKey]mcs.Problem {
	all, _ := a.members.standings()
	out := map[model.ServiceKey]mcs.Problem{}
	for i := range all {
		if !all[i].own {
			continue
		}
		for _, one := range all[i].Problems {
			out[one.Service] = mcs.Problem{Reason: one.Reason, Message: one.Message, Withheld: one.Withheld}
		}
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
