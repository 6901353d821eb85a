package installer

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// awaitSaid waits until a member's agent says what is wanted of all members, and shows
// what it waits for. missing is what is not as wanted, and what mends it; empty for
// nothing.
func (in *Installer) awaitSaid(ctx context.Context, s *site, code string, missing func(map[string]facts.Member) (text, fix string)) error {
	shown, fix := "", ""
	err := apply.Poll(ctx, func(ctx context.Context) (bool, error) {
		read, err := facts.Reader{Kube: s.member.Kube, Dynamic: s.member.Dynamic}.ReadAgent(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // a hiccup of the API server; ctx bounds it
		}
		text, mends := missing(read.Members)
		if text != shown && text != "" {
			in.tell(Event{Cluster: s.name(), Step: agentSet, State: Running, Text: text})
		}
		shown, fix = text, mends
		return text == "", nil
	})
	if err == nil {
		return nil
	}
	if fix == "" {
		fix = fmt.Sprintf("look at its agent: kubectl -n %s logs deployment/%s", agentNamespace, agentName)
	}
	return problem.New(problem.Cluster, code, "its agent does not say what is wanted: %s", shown).On(s.name()).Because(err).WithFix("%s", fix)
}

// unready is what an agent says of the first of some members that is not ready for
// use, and what mends it; empty where all are.
func unready(says map[string]facts.Member, members []string) (text, fix string) {
	for _, name := range members {
		seen := says[name].Services
		switch {
		case seen == nil:
			return "its agent says nothing of " + name, ""
		case seen.Code != v1alpha1.CodeOK:
			description, fix, _ := strings.Cut(seen.Description, v1alpha1.DescriptionFix)
			return name + ": " + seen.Code + ": " + description, fix
		}
	}
	return "", ""
}

// notOff is what an agent says of its own member that is not off yet.
func notOff(own facts.Member) (text, fix string) {
	if own.Services != nil && strings.HasPrefix(own.Services.Description, v1alpha1.MCSOff) {
		return "", ""
	}
	return "it does not say yet that multi-cluster Services are off", ""
}

// awaitWithdrawal waits until a member has no import of ours that matters. Without an
// agent that runs nobody would take it away.
func (in *Installer) awaitWithdrawal(ctx context.Context, s *site, matters func(*unstructured.Unstructured) bool) error {
	read, err := facts.Reader{Kube: s.member.Kube, Dynamic: s.member.Dynamic}.ReadAgent(ctx)
	if err != nil {
		return err
	}
	if read.Agent.Ready == 0 {
		in.tell(Event{Cluster: s.name(), Step: "withdraw", State: Note, Text: "its agent does not run, so that its imports stay for now"})
		return nil
	}
	last := ""
	err = apply.Poll(ctx, func(ctx context.Context) (bool, error) {
		imports, err := s.ownImports(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // a hiccup of the API server; ctx bounds it
		}
		left := slices.DeleteFunc(imports, func(one *unstructured.Unstructured) bool { return !matters(one) })
		if len(left) > 0 {
			last = left[0].GetNamespace() + "/" + left[0].GetName()
		}
		return len(left) == 0, nil
	})
	if err == nil {
		return nil
	}
	return problem.New(problem.Cluster, "NotWithdrawn", "what was exported is still imported").On(s.name()).About("ServiceImport "+last).Because(err).
		WithFix("see why its agent does not follow, kubectl -n %s logs deployment/%s, and run this again", agentNamespace, agentName)
}

// ownImports are those that the agent of a member wrote, in both dialects.
func (s *site) ownImports(ctx context.Context) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, group := range []string{v1alpha1.MCSUpstream, v1alpha1.MCSGKE} {
		mapping, err := s.member.Mapper.RESTMapping(schema.GroupKind{Group: group, Kind: "ServiceImport"})
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := s.member.Dynamic.Resource(mapping.Resource).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelDerived + "=true"})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list ServiceImports of %s: %w", group, err)
		}
		for i := range list.Items {
			all = append(all, &list.Items[i])
		}
	}
	return all, nil
}

// importsFrom reports whether any of some members exports what an import stands for.
// A member is named as such, or as a membership that ends in its name.
func importsFrom(one *unstructured.Unstructured, members []string) bool {
	clusters, _, _ := unstructured.NestedSlice(one.Object, "status", "clusters")
	return slices.ContainsFunc(clusters, func(entry any) bool {
		fields, _ := entry.(map[string]any)
		name, _ := fields["cluster"].(string)
		return slices.Contains(members, path.Base(name))
	})
}

// byPolicy reports whether a service is exported without any ServiceExport.
func byPolicy(rules []v1alpha1.ExportRule, one *unstructured.Unstructured) bool {
	return slices.ContainsFunc(rules, func(rule v1alpha1.ExportRule) bool {
		return rule.Namespace == one.GetNamespace() && (rule.Name == "*" || rule.Name == one.GetName())
	})
}
