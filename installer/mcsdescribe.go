package installer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

// FeatureState is multi-cluster Services of a mesh, in the shape in which GKE shows
// the feature of a fleet. The mesh stands for the project.
type FeatureState struct {
	// CreateTime is when the first of the members' agents was set up.
	CreateTime *metav1.Time `json:"createTime,omitempty"`
	// MembershipStates are by projects/MESH/locations/LOCATION/memberships/MEMBER; the
	// location is the member's region, or global.
	MembershipStates map[string]MembershipState `json:"membershipStates"`
	Name             string                     `json:"name"`
	ResourceState    ResourceState              `json:"resourceState"`
	Spec             struct{}                   `json:"spec"`
}

// MembershipState is one member's part of it.
type MembershipState struct {
	State MembershipCondition `json:"state"`
	// Warnings are about what the member exports.
	Warnings []string `json:"warnings,omitempty"`
}

// MembershipCondition is how a member stands.
type MembershipCondition struct {
	// Code is OK, WARNING, FAILED or ERROR, Description why.
	Code        string `json:"code"`
	Description string `json:"description"`
	// UpdateTime is when that last changed; absent where no agent says.
	UpdateTime *metav1.Time `json:"updateTime,omitempty"`
}

// ResourceState is that of the feature: ACTIVE where a member has it on, ENABLING
// where none says how it stands yet, DISABLED where all have it off or no agent.
type ResourceState struct {
	State string `json:"state"`
}

// Values of ResourceState.
const (
	resourceActive   = "ACTIVE"
	resourceEnabling = "ENABLING"
	resourceDisabled = "DISABLED"
)

// told is what one member says: its agent's configuration, nil for no agent, and what
// the agent says of all members.
type told struct {
	live *liveAgent
	read facts.Cluster
}

// DescribeMCS shows how every member stands, as its own agent and the others see it.
// Members that do not answer have their rows.
func (in *Installer) DescribeMCS(ctx context.Context) *FeatureState {
	var mu sync.Mutex // guards all
	all := map[string]told{}
	in.each(ctx, "describe", func(ctx context.Context, s *site) error {
		live, err := s.readAgent(ctx)
		if err != nil {
			return err
		}
		read, err := facts.Reader{Kube: s.member.Kube, Dynamic: s.member.Dynamic}.ReadAgent(ctx)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all[s.name()] = told{live: live, read: read}
		return nil
	})
	silent := map[string]string{}
	for _, s := range in.sites {
		if s.err != nil {
			silent[s.name()] = s.err.Error()
		}
	}
	return describe(in.meshName(), all, silent)
}

// describe puts together what members say, and what is wrong with those that say
// nothing. It is pure.
func describe(mesh string, all map[string]told, silent map[string]string) *FeatureState {
	out := &FeatureState{MembershipStates: map[string]MembershipState{}, ResourceState: ResourceState{State: resourceDisabled}}
	regions, on, said := map[string]string{}, false, false
	members := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one := all[name]
		for other, seen := range one.read.Members {
			members[other] = true
			regions[other] = seen.Region
		}
		if one.live == nil {
			members[name] = true
			continue
		}
		own := one.live.Member
		mesh, regions[own.Name], members[own.Name] = one.live.Mesh, own.Region, true
		if out.CreateTime == nil || one.live.created.Before(out.CreateTime) {
			out.CreateTime = &one.live.created
		}
		on = on || one.live.MCS.On()
		said = said || one.live.MCS.On() && one.read.Members[own.Name].Services != nil
	}
	for name := range silent {
		members[name] = true
	}
	switch {
	case on && said:
		out.ResourceState.State = resourceActive
	case on:
		out.ResourceState.State = resourceEnabling
	}
	out.Name = fmt.Sprintf("projects/%s/locations/global/features/multiclusterservicediscovery", mesh)
	for name := range members {
		location := regions[name]
		if location == "" {
			location = "global"
		}
		key := fmt.Sprintf("projects/%s/locations/%s/memberships/%s", mesh, location, name)
		out.MembershipStates[key] = membership(name, all, silent)
	}
	return out
}

// codesByWeight are those of a member, the heaviest first.
var codesByWeight = []string{v1alpha1.CodeFailed, v1alpha1.CodeError, v1alpha1.CodeWarning, v1alpha1.CodeOK}

// membership is how a member stands: as its own agent says, unless another one has
// something worse to say, or the member says nothing itself.
func membership(name string, all map[string]told, silent map[string]string) MembershipState {
	out := MembershipState{State: ownCondition(name, all, silent)}
	if own := asMember(name, all); own != nil && own.read.Members[name].Services != nil {
		out.Warnings = own.read.Members[name].Services.Warnings
	}
	for _, consumer := range slices.Sorted(maps.Keys(all)) {
		one := all[consumer]
		seen := one.read.Members[name].Services
		if one.live == nil || one.live.Member.Name == name || one.read.Agent.Ready == 0 || seen == nil {
			continue
		}
		if slices.Index(codesByWeight, seen.Code) < slices.Index(codesByWeight, out.State.Code) {
			at := metav1.Time{Time: seen.UpdateTime.UTC()}
			text, fix, mends := strings.Cut(seen.Description, v1alpha1.DescriptionFix)
			if text += " (as " + one.live.Member.Name + " sees it)"; mends {
				text += v1alpha1.DescriptionFix + fix
			}
			out.State = MembershipCondition{Code: seen.Code, Description: text, UpdateTime: &at}
		}
	}
	return out
}

// asMember is what the member of a name says itself; nil where it says nothing.
func asMember(name string, all map[string]told) *told {
	for _, one := range all {
		if one.live != nil && one.live.Member.Name == name {
			return &one
		}
	}
	return nil
}

// ownCondition is how a member stands by its own word, and what is to be said where
// there is none.
func ownCondition(name string, all map[string]told, silent map[string]string) MembershipCondition {
	const (
		missing = "GKE Cluster missing: "
		pending = "Firewall creation pending: "
	)
	own := asMember(name, all)
	switch {
	case silent[name] != "":
		return MembershipCondition{Code: v1alpha1.CodeError, Description: missing + silent[name]}
	case own == nil && all[name].live == nil && all[name].read.Members != nil:
		return MembershipCondition{Code: v1alpha1.CodeFailed, Description: "Multi-cluster Services are not set up in this cluster: it has no agent" + v1alpha1.DescriptionFix + "join it with eastwest up"}
	case own == nil:
		return MembershipCondition{Code: v1alpha1.CodeOK, Description: "this command was not told its kubeconfig; the other members have nothing against it"}
	case own.read.Agent.Ready == 0:
		return MembershipCondition{Code: v1alpha1.CodeWarning, Description: pending + "no replica of its agent is ready" + v1alpha1.DescriptionFix + fmt.Sprintf("kubectl -n %s describe deployment %s", agentNamespace, agentName)}
	}
	seen := own.read.Members[name].Services
	if seen == nil {
		return MembershipCondition{Code: v1alpha1.CodeWarning, Description: pending + "its agent has said nothing yet"}
	}
	at := metav1.Time{Time: seen.UpdateTime.UTC()}
	return MembershipCondition{Code: seen.Code, Description: seen.Description, UpdateTime: &at}
}
