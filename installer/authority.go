package installer

import (
	"context"
	"errors"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/installer/trust"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Authority brings the CA by which a member's agent issues certificates into
// every member without Istio: intermediates of one root. Roots that are equal are
// left alone; unequal ones stop everything unless the mesh consents.
func (in *Installer) Authority(ctx context.Context) error {
	roots, err := in.authorityRoots(ctx)
	if err != nil {
		return err
	}
	if in.oneRoot(roots) {
		return nil
	}
	wanted := in.mesh.Spec.Trust
	if !wanted.Init {
		return problem.New(problem.Refused, "NoSharedRoot", "the members' agents have no CAs of one root").
			WithFix("let eastwest make them with --init-trust --trust-dir DIR; the folder keeps the root's key")
	}
	if in.options.DryRun {
		for _, s := range in.alive() {
			in.record(s, trustSet, apply.NewSecret(agentNamespace, trust.AgentSecretName))
		}
		return nil
	}
	names := make([]string, len(in.sites))
	for i, s := range in.sites {
		names[i] = s.name()
	}
	made, err := trust.Init(wanted.Dir, in.meshName(), names, trust.Options{Within: in.trustDomain()})
	if err != nil {
		return err
	}
	if made.NewRoot {
		in.tell(Event{Cluster: "mesh", Step: trustSet, State: Note, Text: "made a root and intermediates in " + wanted.Dir + "; keep its root-key.pem safe"})
	}
	return in.applyAuthority(ctx, made.Material, roots)
}

// doctorAuthority compares the roots of the agents' CAs. Before the first up there
// are none, and that is no finding.
func (in *Installer) doctorAuthority(ctx context.Context) ([]preflight.Finding, error) {
	roots, err := in.authorityRoots(ctx)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(roots, func(_ *site, root []byte) bool { return len(root) == 0 })
	if len(roots) == 0 || in.oneRoot(roots) {
		return nil, nil
	}
	finding := preflight.Finding{
		Check: "NoSharedRoot", Severity: preflight.Refuse, Members: in.Usable(),
		Detail: "the members' agents have no CAs of one root", Fix: "give them one: eastwest up --init-trust --trust-dir DIR --replace-ca",
	}
	return []preflight.Finding{finding}, preflight.Err([]preflight.Finding{finding})
}

// authorityRoots are the roots of all agents' CAs, nil where a member has none.
func (in *Installer) authorityRoots(ctx context.Context) (map[*site][]byte, error) {
	roots := map[*site][]byte{}
	var failures []error
	for _, s := range in.alive() {
		root, err := s.authorityRoot(ctx)
		if err != nil {
			failures = append(failures, located(ctx, err, s.name()))
		}
		roots[s] = root
	}
	return roots, errors.Join(failures...)
}

// oneRoot reports whether every member has a CA, all of the same root.
func (in *Installer) oneRoot(roots map[*site][]byte) bool {
	var first []byte
	for _, s := range in.alive() {
		root := roots[s]
		if len(root) == 0 {
			return false
		}
		if first == nil {
			first = root
		}
		if !sameCertificates(first, root) {
			return false
		}
	}
	return true
}

// authorityRoot is the root of the CA that a member's agent has; nil for none.
func (s *site) authorityRoot(ctx context.Context) ([]byte, error) {
	secret, err := s.member.Kube.CoreV1().Secrets(agentNamespace).Get(ctx, trust.AgentSecretName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return trust.RootOf(secret), nil
}

// applyAuthority writes the CAs, after all members are known to allow it.
func (in *Installer) applyAuthority(ctx context.Context, material *trust.Material, roots map[*site][]byte) error {
	var refusals []error
	for _, s := range in.alive() {
		if root := roots[s]; len(root) > 0 && !sameCertificates(root, material.Root) && !in.mesh.Spec.Trust.ReplaceCA {
			refusals = append(refusals, problem.New(problem.Refused, "CAInUse", "its agent issues certificates of another root").On(s.name()).
				WithFix("say --replace-ca to replace it: its links fail until every member has the new one"))
		}
	}
	if len(refusals) > 0 {
		return errors.Join(refusals...)
	}
	in.each(ctx, trustSet, func(ctx context.Context, s *site) error {
		secret, err := secretObject(trust.AgentCA(material.Intermediates[s.name()], agentNamespace))
		if err != nil {
			return err
		}
		_, err = in.applySet(ctx, s, apply.Set{Name: trustSet, Objects: []*unstructured.Unstructured{secret}})
		return err
	})
	return nil
}
