package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// exportSet is the name under which exports are reported that disabling removes.
const exportSet = "exports"

// clusterProperty is the kind of the facts by which a cluster says what it is.
var clusterProperty = schema.GroupKind{Group: "about.k8s.io", Kind: "ClusterProperty"}

// EnableMCS turns multi-cluster Services on in every member that has an agent, and
// waits until every agent says that each member is ready for use.
func (in *Installer) EnableMCS(ctx context.Context) error {
	in.each(ctx, "enable", func(ctx context.Context, s *site) error {
		live, err := s.agentToSwitch(ctx)
		if err != nil {
			return err
		}
		properties := clusterProperties(s.name(), live.Mesh)
		if err := s.checkProperties(ctx, properties); err != nil {
			return err
		}
		types, err := in.agentTypes(ctx, s)
		if err != nil {
			return err
		}
		if _, err := in.applySet(ctx, s, apply.Set{Name: crdSet, Objects: types}); err != nil {
			return err
		}
		return in.switchAgent(ctx, s, live, true, properties...)
	})
	if in.options.DryRun || in.options.NoWait {
		return nil
	}
	members := in.Usable()
	in.each(ctx, "ready", func(ctx context.Context, s *site) error {
		return in.awaitSaid(ctx, s, "ServicesNotReady", func(says map[string]facts.Member) (text, fix string) { return unready(says, members) })
	})
	return nil
}

// DisableMCS removes every ServiceExport of the members, waits until nothing of what
// they exported is imported any more, and turns multi-cluster Services off in them.
// Options.Confirm, where there is one, is asked before. A run that was interrupted is taken up by the next one.
func (in *Installer) DisableMCS(ctx context.Context) error {
	live, exports := in.planDisable(ctx)
	if err := in.confirmDisable(exports); err != nil {
		return err
	}
	in.each(ctx, "unexport", func(ctx context.Context, s *site) error {
		_, err := in.carryOut(ctx, s, exports[s])
		return err
	})
	if !in.options.DryRun {
		leaving := in.Usable()
		in.each(ctx, "withdraw", func(ctx context.Context, s *site) error {
			return in.awaitWithdrawal(ctx, s, func(one *unstructured.Unstructured) bool {
				return !byPolicy(live[s].Exports.Policy, one) && importsFrom(one, leaving)
			})
		})
	}
	in.each(ctx, "disable", func(ctx context.Context, s *site) error {
		if err := in.switchAgent(ctx, s, live[s], false); err != nil {
			return err
		}
		properties, err := s.applier.RemoveLabelled(ctx, agentSet, apply.ManagedByLabel+"="+apply.FieldManager, clusterProperty)
		if err != nil {
			return err
		}
		if _, err := in.carryOut(ctx, s, properties); err != nil || in.options.DryRun || in.options.NoWait {
			return err
		}
		if err := in.awaitWithdrawal(ctx, s, func(*unstructured.Unstructured) bool { return true }); err != nil {
			return err
		}
		return in.awaitSaid(ctx, s, "ServicesNotOff", func(says map[string]facts.Member) (text, fix string) { return notOff(says[s.name()]) })
	})
	return nil
}

// planDisable reads the agents of the members, and what there is to be unexported.
func (in *Installer) planDisable(ctx context.Context) (map[*site]*liveAgent, map[*site]*apply.Plan) {
	var mu sync.Mutex // guards both
	live, exports := map[*site]*liveAgent{}, map[*site]*apply.Plan{}
	in.each(ctx, exportSet, func(ctx context.Context, s *site) error {
		agent, err := s.agentToSwitch(ctx)
		if err != nil {
			return err
		}
		plan, err := in.planExports(ctx, s)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		live[s], exports[s] = agent, plan
		return nil
	})
	return live, exports
}

// agentToSwitch is the agent of a member, which must be known by the member's name.
func (s *site) agentToSwitch(ctx context.Context) (*liveAgent, error) {
	live, err := s.readAgent(ctx)
	if err != nil {
		return nil, err
	}
	if live == nil {
		return nil, problem.New(problem.Refused, "NoAgent", "it has no agent, so that there is nothing to turn on or off").On(s.name()).
			WithFix("join it first: eastwest up")
	}
	if live.Member.Name != s.name() {
		return nil, problem.New(problem.Refused, "OtherName", "its agent knows it as member %q", live.Member.Name).On(s.name()).
			WithFix("name it so: --kubeconfig %s=PATH", live.Member.Name)
	}
	return live, nil
}

// switchAgent gives an agent another part in multi-cluster Services, writes what else
// goes along with that, and waits for its pods.
func (in *Installer) switchAgent(ctx context.Context, s *site, live *liveAgent, on bool, more ...*unstructured.Unstructured) error {
	mcs, err := in.agentMCS(ctx, s, on)
	if err != nil {
		return err
	}
	objects, err := s.agentWith(ctx, live, mcs)
	if err != nil {
		return err
	}
	plan, err := s.applier.Amend(ctx, apply.Set{Name: agentSet, Objects: append(objects, more...)})
	if err != nil {
		return err
	}
	if _, err := in.carryOut(ctx, s, plan); err != nil || in.options.DryRun || in.options.NoWait {
		return err
	}
	return s.applier.Wait(ctx, objects)
}

// planExports lists the exports of a member in the dialects that are not somebody
// else's.
func (in *Installer) planExports(ctx context.Context, s *site) (*apply.Plan, error) {
	foreign, err := s.member.ForeignDialects(ctx)
	if err != nil {
		return nil, err
	}
	var kinds []schema.GroupKind
	for _, group := range []string{v1alpha1.MCSUpstream, v1alpha1.MCSGKE} {
		owned := slices.IndexFunc(foreign, func(one v1alpha1.ForeignDialect) bool { return one.Group == group })
		if owned < 0 {
			kinds = append(kinds, schema.GroupKind{Group: group, Kind: "ServiceExport"})
		} else {
			in.tell(Event{Cluster: s.name(), Step: exportSet, State: Note, Text: "left as they are: ServiceExports of " + group + ", as " + foreign[owned].Owner + " owns them"})
		}
	}
	return s.applier.RemoveLabelled(ctx, exportSet, "", kinds...)
}

// confirmDisable asks, and names what is removed.
func (in *Installer) confirmDisable(exports map[*site]*apply.Plan) error {
	if in.options.DryRun || in.options.Confirm == nil || len(in.alive()) == 0 {
		return nil
	}
	count := 0
	for _, s := range in.alive() {
		for _, change := range exports[s].Changes {
			count++
			in.tell(Event{Cluster: s.name(), Step: exportSet, State: Note, Text: "to be removed: " + change.Object()})
		}
	}
	question := fmt.Sprintf("Turn multi-cluster Services off in %s, and remove %d ServiceExports there?", strings.Join(in.Usable(), ", "), count)
	if !in.options.Confirm(question) {
		return problem.New(problem.Deadline, "", "stopped: not confirmed")
	}
	return nil
}
