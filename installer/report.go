package installer

import (
	"slices"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
)

// Report is what a run found and did, as data.
type Report struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	DryRun     bool                `json:"dryRun,omitempty"`
	Clusters   []ClusterReport     `json:"clusters"`
	Findings   []preflight.Finding `json:"findings,omitempty"`
	Merges     []preflight.Merge   `json:"merges,omitempty"`
	Links      []LinkReport        `json:"links,omitempty"`
	// DNS is what became of the members' own DNS.
	DNS []DNSReport `json:"dns,omitempty"`
	// Verification is the proof by traffic, where a run ended with one.
	Verification *report.Report `json:"verification,omitempty"`

	changes  map[string][]SetChange
	failures []error
}

// ClusterReport is one member's part of a report.
type ClusterReport struct {
	Name      string      `json:"name"`
	ClusterID string      `json:"clusterID,omitempty"`
	Network   string      `json:"network,omitempty"`
	Revision  string      `json:"revision,omitempty"`
	Changes   []SetChange `json:"changes,omitempty"`
	Error     string      `json:"error,omitempty"`
}

// SetChange is a change and the set that it belongs to.
type SetChange struct {
	Set string `json:"set"`
	apply.Change
}

// LinkReport is what became of one link.
type LinkReport struct {
	Consumer string `json:"consumer"`
	Producer string `json:"producer"`
	// Server is the API address in the remote secret.
	Server string `json:"server,omitempty"`
	// Token says which kind of token it is, Expiry when it ends (RFC 3339).
	Token  string `json:"token,omitempty"`
	Expiry string `json:"expiry,omitempty"`
	// Hash identifies the credential without showing it.
	Hash string `json:"hash,omitempty"`
	// Reused is true for a credential that was there and works.
	Reused bool `json:"reused,omitempty"`
	// ThroughAgent is true where istiod asks the local agent, which holds the
	// credential.
	ThroughAgent bool `json:"throughAgent,omitempty"`
	// ReadsSecrets is true where it can read all Secrets of the producer.
	ReadsSecrets bool   `json:"readsSecrets"`
	Error        string `json:"error,omitempty"`
}

// Report returns what was found and done so far.
func (in *Installer) Report() Report {
	in.mu.Lock()
	defer in.mu.Unlock()
	answer := in.report
	answer.APIVersion, answer.Kind, answer.DryRun = v1alpha1.APIVersion, "Report", in.options.DryRun
	answer.Clusters = nil
	answer.DNS = slices.Clone(in.report.DNS)
	for _, s := range in.sites {
		one := ClusterReport{Name: s.name(), Changes: in.report.changes[s.name()]}
		if s.facts != nil {
			one.Network = s.network()
			if plane := s.plane(); plane != nil {
				one.ClusterID, one.Revision = plane.ClusterID, plane.Revision
			}
		}
		if s.err != nil {
			one.Error = s.err.Error()
		}
		answer.Clusters = append(answer.Clusters, one)
	}
	return answer
}

func (in *Installer) record(s *site, set string, change apply.Change) {
	in.mu.Lock()
	if in.report.changes == nil {
		in.report.changes = map[string][]SetChange{}
	}
	// Our namespace is part of every set and is shown once.
	shown := slices.ContainsFunc(in.report.changes[s.name()], func(before SetChange) bool {
		return before.Set != set && before.Object() == change.Object() && (change.Action == apply.Unchanged || change.Action == before.Action)
	})
	if !shown {
		in.report.changes[s.name()] = append(in.report.changes[s.name()], SetChange{Set: set, Change: change})
	}
	in.mu.Unlock()
	if change.Action != apply.Unchanged {
		in.tell(Event{Cluster: s.name(), Step: set, State: Note, Text: string(change.Action) + " " + change.Object()})
	}
}

// fail records a failure that takes no member out of the run.
func (in *Installer) fail(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.report.failures = append(in.report.failures, err)
}
