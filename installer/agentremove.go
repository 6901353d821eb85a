package installer

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// removeAgentsWork deletes what the agent of a member wrote, once the agent itself
// is gone: until then it would write it anew.
func (in *Installer) removeAgentsWork(ctx context.Context, s *site) error {
	if !in.options.DryRun {
		err := apply.Poll(ctx, func(ctx context.Context) (bool, error) {
			pods, err := s.member.Kube.CoreV1().Pods(agentNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + agentName})
			return err == nil && len(pods.Items) == 0, nil
		})
		if err != nil {
			return problem.New(problem.Cluster, "AgentStays", "the pods of its agent do not end").On(s.name()).Because(err).
				WithFix("look at them: kubectl -n %s get pods -l app=%s", agentNamespace, agentName)
		}
	}
	plan, err := s.applier.RemoveLabelled(ctx, "derived", v1alpha1.LabelDerived+"=true",
		schema.GroupKind{Kind: "Service"}, schema.GroupKind{Kind: "Endpoints"}, schema.GroupKind{Group: "discovery.k8s.io", Kind: "EndpointSlice"},
		schema.GroupKind{Group: "multicluster.x-k8s.io", Kind: "ServiceImport"}, schema.GroupKind{Group: "net.gke.io", Kind: "ServiceImport"})
	if err != nil {
		return err
	}
	if _, err := in.carryOut(ctx, s, plan); err != nil || in.options.DryRun {
		return err
	}
	return s.releaseExports(ctx)
}

// serviceExports are those of both dialects.
var serviceExports = []schema.GroupVersionResource{
	{Group: "multicluster.x-k8s.io", Version: "v1beta1", Resource: "serviceexports"},
	{Group: "net.gke.io", Version: "v1", Resource: "serviceexports"},
}

// typesInUse says who still uses the types that we brought: with a type go all
// objects of it.
func (s *site) typesInUse(ctx context.Context) (string, error) {
	for _, resource := range serviceExports {
		list, err := s.member.Dynamic.Resource(resource).List(ctx, metav1.ListOptions{Limit: 5})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("list ServiceExports of %s: %w", resource.Group, err)
		}
		if len(list.Items) > 0 {
			return "ServiceExport " + list.Items[0].GetNamespace() + "/" + list.Items[0].GetName(), nil
		}
	}
	return "", nil
}
