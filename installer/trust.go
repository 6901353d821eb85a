package installer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/trust"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// TrustStates reads what each living member trusts.
func (in *Installer) TrustStates() map[string]trust.State {
	states := map[string]trust.State{}
	for _, s := range in.alive() {
		states[s.name()] = s.trust()
	}
	return states
}

func (s *site) trust() trust.State {
	objects := trust.Objects{
		RootPEM: s.facts.Trust.RootPEM, CACerts: s.facts.Trust.CACerts,
		SelfSigned: s.facts.Trust.SelfSigned, SelfSignedPEM: s.facts.Trust.SelfSignedPEM,
	}
	if plane := s.plane(); plane != nil {
		objects.Env, objects.ProxyMetadata, objects.CAAddress = plane.Env, plane.ProxyMetadata, plane.Injector.CAAddress
		objects.MeshRoots = plane.MeshRoots
		objects.TrustDomain, objects.TrustDomainAliases = plane.TrustDomain, plane.TrustDomainAliases
	}
	return trust.Read(objects)
}

// CheckTrust compares the roots of all living members. Unequal ones are a
// refusal.
func (in *Installer) CheckTrust() ([]trust.Finding, error) {
	findings := trust.Compare(in.TrustStates(), time.Now())
	for _, finding := range findings {
		if finding.Severity == trust.Warning {
			in.tell(Event{Cluster: strings.Join(finding.Clusters, ","), Step: "trust", State: Note, Text: finding.Code + ": " + finding.Message})
		}
	}
	return findings, trust.Refused(findings)
}

// Trust brings the members to one root. Roots that are equal are left alone;
// unequal ones stop everything unless the mesh asks for new material.
func (in *Installer) Trust(ctx context.Context) error {
	if err := in.finishRestarts(ctx); err != nil {
		return err
	}
	_, refused := in.CheckTrust()
	if refused == nil {
		return nil
	}
	wanted := in.mesh.Spec.Trust
	if !wanted.Init {
		return refused
	}
	if in.options.DryRun {
		in.previewTrust()
		return nil
	}
	names := make([]string, len(in.sites))
	for i, s := range in.sites {
		names[i] = s.name()
	}
	made, err := trust.Init(wanted.Dir, in.meshID(), names, trust.Options{})
	if err != nil {
		return err
	}
	if made.NewRoot {
		in.tell(Event{Cluster: "mesh", Step: trustSet, State: Note, Text: "made a root and intermediates in " + wanted.Dir + "; keep its root-key.pem safe"})
	}
	return in.ApplyTrust(ctx, made.Material)
}

// previewTrust records what making new CA material would write. The material
// itself is not made in a dry run.
func (in *Installer) previewTrust() {
	for _, s := range in.alive() {
		in.record(s, trustSet, apply.NewSecret(s.member.IstioNamespace, trust.SecretName))
	}
}

// trustJob is the change of CA in one member.
type trustJob struct {
	site      *site
	change    trust.Change
	workloads []apply.Workload
}

// ApplyTrust writes each member's intermediate and restarts, with consent, what
// still holds certificates of the old root. Nothing is written before every
// member's change is known to be allowed.
func (in *Installer) ApplyTrust(ctx context.Context, material *trust.Material) error {
	jobs, err := in.planTrust(ctx, material)
	if err != nil {
		return err
	}
	in.each(ctx, trustSet, func(ctx context.Context, s *site) error {
		job := jobs[s.name()]
		if job == nil || job.change.Secret == nil && !job.change.RestartIstiod && !job.change.RestartProxies {
			return nil
		}
		return in.replaceCA(ctx, job, material.Root)
	})
	return nil
}

func (in *Installer) planTrust(ctx context.Context, material *trust.Material) (map[string]*trustJob, error) {
	wanted := in.mesh.Spec.Trust
	jobs := map[string]*trustJob{}
	var refusals []error
	for _, s := range in.alive() {
		intermediate, ok := material.Intermediates[s.name()]
		if !ok {
			refusals = append(refusals, problem.New(problem.Input, "CAMaterialInvalid", "there is no intermediate for it").On(s.name()).
				WithFix("make one: eastwest trust init --dir %s", wanted.Dir))
			continue
		}
		change, err := trust.Plan(s.trust(), intermediate, trust.PlanOptions{
			Namespace: s.member.IstioNamespace, ReplaceCA: wanted.ReplaceCA,
		})
		if err != nil {
			refusals = append(refusals, onCluster(err, s.name()))
			continue
		}
		job := &trustJob{site: s, change: change}
		jobs[s.name()] = job
		if !change.RestartProxies {
			continue
		}
		workloads, loose, err := apply.InjectedWorkloads(ctx, s.member.Kube)
		if err != nil {
			return nil, located(ctx, err, s.name())
		}
		job.workloads = workloads
		if err := in.consentToRestart(s, workloads, loose); err != nil {
			refusals = append(refusals, err)
		}
	}
	return jobs, errors.Join(refusals...)
}

// onCluster names the member in a refusal that does not yet.
func onCluster(err error, name string) error {
	var known *problem.Error
	if errors.As(err, &known) && known.Cluster == "" {
		return known.On(name)
	}
	return err
}

// replaceCA writes cacerts and restarts istiod, then the workloads. A run that
// was killed in between is taken up where it stopped.
func (in *Installer) replaceCA(ctx context.Context, job *trustJob, root []byte) error {
	s := job.site
	if job.change.Secret != nil {
		if err := in.writeCA(ctx, job); err != nil || in.options.DryRun {
			return err
		}
	}
	if job.change.RestartIstiod {
		wanted := func(published []byte) bool { return sameCertificates(published, root) }
		if err := in.restartIstiods(ctx, s, wanted); err != nil {
			return err
		}
	}
	if job.change.RestartProxies {
		if err := in.restartWorkloads(ctx, s, job.workloads); err != nil {
			return err
		}
	}
	return s.gather(ctx)
}

// writeCA writes the Secret cacerts of a member.
func (in *Installer) writeCA(ctx context.Context, job *trustJob) error {
	s := job.site
	secret, err := secretObject(job.change.Secret)
	if err != nil {
		return err
	}
	if job.change.RestartProxies {
		secret.SetAnnotations(map[string]string{member.RestartPendingAnnotation: "true"})
	}
	// A CA that is replaced by consent may have been written by another manager.
	writer := apply.New(apply.Options{
		Cluster: s.name(), Dynamic: s.member.Dynamic, Mapper: s.member.Mapper, Adopt: in.mesh.Spec.Trust.ReplaceCA || in.options.Adopt,
	})
	plan, err := writer.Plan(ctx, apply.Set{Name: trustSet, Objects: []*unstructured.Unstructured{secret}})
	if err != nil {
		return err
	}
	_, err = in.carryOut(ctx, s, plan)
	return err
}

// restartIstiods restarts every istiod and waits until it gives out the roots
// that are wanted.
func (in *Installer) restartIstiods(ctx context.Context, s *site, wanted func(roots []byte) bool) error {
	var istiods []apply.Workload
	for _, plane := range s.facts.ControlPlanes {
		istiods = append(istiods, apply.Workload{Kind: "Deployment", Namespace: s.member.IstioNamespace, Name: plane.Deployment})
	}
	in.tell(Event{Cluster: s.name(), Step: trustSet, State: Note, Text: "restarting istiod"})
	if err := s.applier.Restart(ctx, istiods); err != nil {
		return err
	}
	err := apply.Poll(ctx, func(ctx context.Context) (bool, error) {
		published, err := s.member.Kube.CoreV1().ConfigMaps(s.member.IstioNamespace).
			Get(ctx, trust.RootConfigMapName, metav1.GetOptions{})
		if err != nil {
			return false, nil //nolint:nilerr // istiod makes it anew; ctx bounds the wait
		}
		return wanted([]byte(published.Data["root-cert.pem"])), nil
	})
	if err != nil {
		return problem.New(problem.Cluster, "CANotLoaded", "istiod does not give out the new root").On(s.name()).Because(err).
			WithFix("look at its log: kubectl -n %s logs deployment/%s", s.member.IstioNamespace, istiods[0].Name)
	}
	return nil
}

// sameCertificates compares two bundles by their certificates, in order.
func sameCertificates(a, b []byte) bool {
	return bytes.Equal(bundleDigest(a), bundleDigest(b))
}

func bundleDigest(bundle []byte) []byte {
	digest := sha256.New()
	for {
		block, rest := pem.Decode(bundle)
		if block == nil {
			return digest.Sum(nil)
		}
		digest.Write(block.Bytes)
		bundle = rest
	}
}

func secretObject(secret *corev1.Secret) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(secret)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{Object: fields}
	object.SetAPIVersion("v1")
	object.SetKind("Secret")
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	return object, nil
}
