package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/trust"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// consentToRestart lists what must restart and asks, unless the mesh says so.
func (in *Installer) consentToRestart(s *site, workloads []apply.Workload, loose []string) error {
	for _, pod := range loose {
		in.tell(Event{Cluster: s.name(), Step: trustSet, State: Note, Text: "pod " + pod + " has no controller: delete and make it anew by hand"})
	}
	if in.mesh.Spec.Trust.RestartWorkloads || in.options.DryRun {
		return nil
	}
	list := make([]string, len(workloads))
	for i, workload := range workloads {
		list[i] = workload.String()
	}
	question := fmt.Sprintf("%s: with the new CA every istiod restarts, and then: %s", s.name(), strings.Join(list, ", "))
	if in.options.Confirm != nil && in.options.Confirm(question+". Go on?") {
		return nil
	}
	return problem.New(problem.Refused, "RestartNeeded", "%s", question).WithFix("say --restart-workloads")
}

// restartWorkloads restarts what holds certificates of the old CA and takes the
// mark off cacerts that says so.
func (in *Installer) restartWorkloads(ctx context.Context, s *site, workloads []apply.Workload) error {
	if len(workloads) > 0 {
		in.tell(Event{Cluster: s.name(), Step: trustSet, State: Note, Text: fmt.Sprintf("restarting %d workloads", len(workloads))})
		if err := s.applier.Restart(ctx, workloads); err != nil {
			return err
		}
	}
	unmark := []byte(`{"metadata":{"annotations":{"` + member.RestartPendingAnnotation + `":null}}}`)
	_, err := s.member.Kube.CoreV1().Secrets(s.member.IstioNamespace).Patch(ctx, trust.SecretName,
		types.MergePatchType, unmark, metav1.PatchOptions{FieldManager: apply.FieldManager})
	if err != nil {
		return problem.New(problem.Cluster, "", "take the restart mark off").On(s.name()).
			About("Secret " + s.member.IstioNamespace + "/" + trust.SecretName).Because(err)
	}
	return nil
}

// finishRestarts takes up the restarts of a run that was stopped between
// replacing a CA and restarting what holds certificates of the old one.
func (in *Installer) finishRestarts(ctx context.Context) error {
	var refusals []error
	pending := map[*site][]apply.Workload{}
	for _, s := range in.alive() {
		if !s.facts.Trust.RestartPending {
			continue
		}
		workloads, loose, err := apply.InjectedWorkloads(ctx, s.member.Kube)
		if err != nil {
			return located(ctx, err, s.name())
		}
		if err := in.consentToRestart(s, workloads, loose); err != nil {
			refusals = append(refusals, err)
		}
		pending[s] = workloads
	}
	if len(refusals) > 0 || len(pending) == 0 || in.options.DryRun {
		return errors.Join(refusals...)
	}
	in.each(ctx, trustSet, func(ctx context.Context, s *site) error {
		workloads, ok := pending[s]
		if !ok {
			return nil
		}
		published := func(roots []byte) bool { return sameCertificates(roots, s.facts.Trust.CACerts["root-cert.pem"]) }
		if err := in.restartIstiods(ctx, s, published); err != nil {
			return err
		}
		if err := in.restartWorkloads(ctx, s, workloads); err != nil {
			return err
		}
		return s.gather(ctx)
	})
	return nil
}
