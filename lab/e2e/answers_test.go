//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// verification is what the tests read of `verify -o json`.
type verification struct {
	Namespace string  `json:"namespace"`
	Seconds   float64 `json:"seconds"`
	Passed    bool    `json:"passed"`
	Links     []struct {
		Consumer, Producer, State, Hop, Check string
		Sent, Good                            int
	} `json:"links"`
	Shared []struct {
		Consumer, State string
		Versions        []struct {
			Version, Member string
			Count           int
		}
	} `json:"shared"`
	Findings []finding `json:"findings"`
	Notes    []string  `json:"notes"`
}

// finding is a broken check, of verification or of preflight.
type finding struct {
	Check, Hop, Severity, Cluster, Object, Seen, Detail, Fix string

	Links        []string
	Members      []string
	Evidence     []string
	TrafficWorks bool
}

// verify runs a verification of clusters and reads its report.
func verify(t *testing.T, indices []int, more ...string) (verification, result) {
	t.Helper()
	r := eastwest(t, join([]string{"verify", "-o", "json"}, members(indices...), images(), more)...)
	var v verification
	if r.stdout == "" {
		t.Fatalf("no report\n%s", r)
	}
	r.decode(t, &v)
	return v, r
}

// wantMatrix wants a full matrix of n clusters, and from each every version.
func (v verification) wantMatrix(t *testing.T, n int) {
	t.Helper()
	ok := 0
	for _, l := range v.Links {
		if l.State == "ok" && l.Sent == l.Good && l.Sent > 0 {
			ok++
		}
	}
	if ok != n*n || len(v.Links) != n*n {
		t.Errorf("%d of %d links are ok, want %d of %d: %+v", ok, len(v.Links), n*n, n*n, v.Links)
	}
	if len(v.Shared) != n {
		t.Errorf("%d callers of the shared service, want %d", len(v.Shared), n)
	}
	for _, s := range v.Shared {
		for _, version := range s.Versions {
			if version.Count == 0 {
				t.Errorf("%s never got an answer of %s in %s", s.Consumer, version.Version, version.Member)
			}
		}
		if len(s.Versions) != n {
			t.Errorf("%s saw %d versions, want %d", s.Consumer, len(s.Versions), n)
		}
	}
	if !v.Passed {
		t.Errorf("not passed: %+v", v.Findings)
	}
}

// find is the first finding of a check.
func (v verification) find(check string) (finding, bool) {
	i := slices.IndexFunc(v.Findings, func(f finding) bool { return f.Check == check })
	if i < 0 {
		return finding{}, false
	}
	return v.Findings[i], true
}

func (f finding) String() string {
	return fmt.Sprintf("%s (%s) on %s, %s, links %s: %s%s; evidence %q; fix: %s", f.Check, f.Hop, f.Cluster, f.Object,
		strings.Join(f.Links, ", "), f.Seen, f.Detail, f.Evidence, f.Fix)
}

// meshStatus is what the tests read of `status -o json`.
type meshStatus struct {
	Members []struct {
		Name, ClusterID, Network, Region, Agent string
		Gateway                                 []string
		Exposed                                 bool
	}
	Links []struct {
		Consumer, Producer, State, Secret, Server, Owner, Token, Expiry, Detail, Fix string

		Sync  map[string]string
		Agent *struct {
			Reached, Hop    string
			RTTMilliseconds float64
		}
	}
}

// status asks for the status of clusters.
func status(t *testing.T, indices ...int) (meshStatus, result) {
	t.Helper()
	r := eastwest(t, join([]string{"status", "-o", "json"}, members(indices...))...)
	var s meshStatus
	r.decode(t, &s)
	return s, r
}

// changes are what the tests read of the report of up, create-mesh and others.
type changes struct {
	Clusters []struct {
		Name, Error string
		Changes     []struct{ Set, Action, Kind, Namespace, Name string }
	}
	Findings []finding
	Links    []struct {
		Consumer, Producer, Server, Token, Error string
		Reused                                   bool
	}
}

// written lists what a run wrote, as "CLUSTER ACTION KIND NAMESPACE/NAME".
func (c changes) written() []string {
	var all []string
	for _, one := range c.Clusters {
		for _, change := range one.Changes {
			if change.Action != "unchanged" {
				all = append(all, fmt.Sprintf("%s %s %s %s/%s", one.Name, change.Action, change.Kind, change.Namespace, change.Name))
			}
		}
	}
	return all
}
