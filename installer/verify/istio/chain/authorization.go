package chain

import (
	"fmt"
	"slices"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
)

// testAuthorization breaks on a policy that lets nobody in for certain, or on
// any policy in force where the producer's own Envoy counts refusals.
func testAuthorization(l Link) *Broken {
	var inForce []facts.AuthorizationPolicy
	for _, p := range l.Producer.Facts.AuthorizationPolicies {
		own := p.Namespace == l.Producer.Namespace || p.Namespace == l.Producer.root()
		if own && len(p.Targets) == 0 && p.Selector.Picks(l.Producer.Pod.Labels) {
			inForce = append(inForce, p)
		}
	}
	denied := l.Producer.Stats.Sum("rbac.denied")
	i := slices.IndexFunc(inForce, denies)
	if i < 0 && denied == 0 {
		return nil
	}
	b := &Broken{
		Cluster: l.Producer.Name, Final: true,
		Seen: fmt.Sprintf("a pod of %s reached the pod in %s and was denied", l.Consumer.Name, l.Producer.Name),
		Fix:  fmt.Sprintf("allow namespace %s in the AuthorizationPolicies of %s", l.Consumer.Namespace, l.Producer.Name),
	}
	if denied > 0 {
		b.Evidence = append(b.Evidence, fmt.Sprintf("rbac.denied of the Envoy in %s is %d", l.Producer.Name, denied))
	}
	for _, p := range inForce {
		b.Evidence = append(b.Evidence, fmt.Sprintf("AuthorizationPolicy %s in %s: action %s, %d rules", p.Object, l.Producer.Name, action(p), len(p.Rules)))
	}
	if i < 0 && len(inForce) > 0 {
		i = 0
	}
	if i >= 0 {
		b.Object = "AuthorizationPolicy " + inForce[i].Object.String()
		b.Fix = fmt.Sprintf("in %s let namespace %s in by an ALLOW policy, or delete AuthorizationPolicy %s", l.Producer.Name, l.Consumer.Namespace, inForce[i].Object)
	}
	return b
}

func action(p facts.AuthorizationPolicy) string {
	if p.Action == "" {
		return "ALLOW"
	}
	return p.Action
}

// denies says that a policy lets nobody in: it allows nothing, or denies all.
func denies(p facts.AuthorizationPolicy) bool {
	switch action(p) {
	case "ALLOW":
		return len(p.Rules) == 0
	case "DENY":
		return slices.ContainsFunc(p.Rules, func(rule map[string]any) bool { return len(rule) == 0 })
	}
	return false
}
