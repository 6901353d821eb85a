// Package preflight judges the facts of all members before anything is
// written. Each check is data: an ID, a claim, and a pure function from facts to
// findings with their fix. It contacts nothing.
package preflight

import (
	"errors"
	"slices"
	"sort"
	"strings"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Severity says what a finding does to the run.
type Severity string

const (
	// Refuse stops the run before anything is written.
	Refuse Severity = "refuse"
	// Warn is shown and does not stop.
	Warn Severity = "warn"
)

// Finding is one thing that is wrong.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Members  []string `json:"members"`
	Detail   string   `json:"detail"`
	Fix      string   `json:"fix,omitempty"`
}

// Subject is one member as the checks see it.
type Subject struct {
	Name  string
	Spec  v1alpha1.Cluster
	Facts *member.Facts
}

// Plane is the istiod that the mesh uses in this member; nil where there is
// none or the choice is ambiguous.
func (s Subject) Plane() *member.ControlPlane {
	plane, ok := s.Facts.ControlPlane(s.Spec.Revision)
	if !ok {
		return nil
	}
	return plane
}

// Network of the member's pods: the one wanted, else what its istiod says.
func (s Subject) Network() string {
	if s.Spec.Network != "" {
		return s.Spec.Network
	}
	if plane := s.Plane(); plane != nil && plane.Injector.Network != "" {
		return plane.Injector.Network
	}
	return s.Facts.NamespaceNetwork
}

// Input is all that the checks look at.
type Input struct {
	Mesh     v1alpha1.Mesh
	Subjects []Subject
	// FlatProved holds the pairs "A B", names sorted, whose pods were seen to
	// reach each other directly.
	FlatProved map[string]bool
	// ForceSameNetwork accepts equal network names without proof.
	ForceSameNetwork bool
}

// PairKey is the key of two members in FlatProved.
func PairKey(a, b string) string {
	if b < a {
		a, b = b, a
	}
	return a + " " + b
}

// Check is one claim about the members.
type Check struct {
	// ID is stable; docs and scripts use it.
	ID string
	// Claim is what holds when the check has no finding.
	Claim string

	run func(Input) []Finding
}

// SameNetworkCheck is the ID of the one check that may need probe pods.
const SameNetworkCheck = "SameNetwork"

// Checks lists all checks in the order they are reported.
func Checks() []Check {
	return []Check{
		{"DuplicateCluster", "every member is another cluster", duplicateCluster},
		{"RevisionNotFound", "every member has the istiod revision that is asked for", revisionFound},
		{"MissingCRDs", "every member serves Istio's networking API", missingCRDs},
		{"IstioVersionSkew", "the members' Istio versions are at most two minors apart", versionSkew},
		{"DuplicateClusterID", "every istiod has a cluster ID of its own", duplicateClusterID},
		{"ClusterIDMismatch", "each istiod, its injector and its live proxies agree on the cluster ID", clusterIDMismatch},
		{"RemoteSecretKeyMismatch", "remote secrets are keyed by the cluster ID of their cluster", remoteKeyMismatch},
		{"MeshIDMismatch", "all istiods and live proxies are of the same mesh", meshIDMismatch},
		{"TrustDomainMismatch", "all members have one trust domain, or alias each other's", trustDomainMismatch},
		{"NetworkMissing", "every istiod names the network of its pods", networkMissing},
		{"NetworkMismatch", "namespace, injector, live proxies and gateway agree on the network", networkMismatch},
		{SameNetworkCheck, "members with one network name reach each other's pods directly", sameNetwork},
		{"PodCIDROverlap", "members of one network have pod addresses of their own", podOverlap},
		{"CertProvider", "istiod's pilotCertProvider fits the platform and the CA", certProvider},
	}
}

// Run runs all checks, or those named.
func Run(input Input, only ...string) []Finding {
	var findings []Finding
	for _, check := range Checks() {
		if len(only) > 0 && !slices.Contains(only, check.ID) {
			continue
		}
		for _, finding := range check.run(input) {
			finding.Check = check.ID
			sort.Strings(finding.Members)
			findings = append(findings, finding)
		}
	}
	return findings
}

// Err joins the findings that refuse as problems of kind Refused.
func Err(findings []Finding) error {
	var all []error
	for _, finding := range findings {
		if finding.Severity != Refuse {
			continue
		}
		refusal := problem.New(problem.Refused, finding.Check, "%s", finding.Detail).
			On(strings.Join(finding.Members, ", "))
		refusal.Fix = finding.Fix
		all = append(all, refusal)
	}
	return errors.Join(all...)
}

// groups collects the members that share a value, leaving out empty values.
func groups(subjects []Subject, value func(Subject) string) map[string][]string {
	byValue := map[string][]string{}
	for _, subject := range subjects {
		if v := value(subject); v != "" {
			byValue[v] = append(byValue[v], subject.Name)
		}
	}
	return byValue
}

// sortedKeys makes walks over a map repeatable.
func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// table shows a value per member: "a: x, b: y".
func table(subjects []Subject, value func(Subject) string) string {
	parts := make([]string, len(subjects))
	for i, subject := range subjects {
		shown := value(subject)
		if shown == "" {
			shown = "(none)"
		}
		parts[i] = subject.Name + ": " + shown
	}
	return strings.Join(parts, ", ")
}

func names(subjects []Subject) []string {
	out := make([]string, len(subjects))
	for i, subject := range subjects {
		out[i] = subject.Name
	}
	return out
}
