package conformance

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/buildinfo"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Version of the report's shape: fields are only added within one.
const (
	APIVersion = "eastwest.dev/v1alpha1"
	Kind       = "ConformanceReport"
)

// API is the version of the multi-cluster Services API that is looked at.
const API = "multicluster.x-k8s.io/v1beta1"

// Report is the outcome of a run.
type Report struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Implementation Implementation `json:"implementation"`
	// API is the version that was looked at, Suite what looked.
	API   string `json:"api"`
	Suite string `json:"suite"`
	// DNSDomain is the zone of the set's names.
	DNSDomain string          `json:"dnsdomain"`
	Clusters  []ClusterReport `json:"clusters"`
	Date      time.Time       `json:"date"`
	Seconds   float64         `json:"seconds"`
	Groups    []GroupReport   `json:"groups"`
	// Notes are what was left behind, and what of earlier runs was removed.
	Notes []string `json:"notes,omitempty"`
}

// Implementation is who is looked at.
type Implementation struct {
	Organization string `json:"organization"`
	Project      string `json:"project"`
	Version      string `json:"version"`
	URL          string `json:"url"`
}

// ClusterReport is a cluster that took part.
type ClusterReport struct {
	Name       string `json:"name"`
	Kubernetes string `json:"kubernetes"`
}

// GroupReport is the rows of a group. Total counts those that were to be run,
// skipped ones included; Passed those that are conformant.
type GroupReport struct {
	Name   Group `json:"name"`
	Passed int   `json:"passed"`
	Total  int   `json:"total"`
	Tests  []Row `json:"tests"`
}

// Outcome is what a case came to.
type Outcome string

// The outcomes.
const (
	Conformant    Outcome = "conformant"
	NotConformant Outcome = "not conformant"
	// Unknown is a case that could not be told: something stood in its way.
	Unknown Outcome = "could not be told"
	Skipped Outcome = "skipped"
)

// Row is one case and its outcome.
type Row struct {
	Case
	Outcome Outcome `json:"outcome"`
	Message string  `json:"message,omitempty"`
	Seconds float64 `json:"seconds"`
}

// judge turns what a case returned into its outcome.
func (r *Row) judge(err error) {
	switch {
	case err == nil:
		r.Outcome = Conformant
		return
	case isViolation(err):
		r.Outcome = NotConformant
	default:
		r.Outcome = Unknown
	}
	r.Message = strings.ReplaceAll(err.Error(), "\n", "; ")
}

func newReport(o Options, members []Member, rows []Row, started time.Time, notes []string) *Report {
	r := &Report{
		APIVersion: APIVersion, Kind: Kind, Implementation: o.Implementation, API: API, Suite: "eastwest " + buildinfo.Read().Version, DNSDomain: o.DNSDomain,
		Date: started.UTC().Truncate(time.Second), Seconds: time.Since(started).Seconds(), Notes: notes,
	}
	for _, m := range members {
		r.Clusters = append(r.Clusters, ClusterReport{m.Name, m.Version})
	}
	for _, name := range Groups() {
		group := GroupReport{Name: name}
		for _, row := range rows {
			if row.Group != name {
				continue
			}
			group.Tests = append(group.Tests, row)
			group.Total++
			if row.Outcome == Conformant {
				group.Passed++
			}
		}
		if group.Total > 0 {
			r.Groups = append(r.Groups, group)
		}
	}
	return r
}

// rows are those of all groups with this outcome.
func (r *Report) rows(outcome Outcome) []Row {
	var all []Row
	for _, group := range r.Groups {
		for _, row := range group.Tests {
			if row.Outcome == outcome {
				all = append(all, row)
			}
		}
	}
	return all
}

// Err is nil if every case that was run is conformant; else a problem for those that
// are not, and one for those that could not be told.
func (r *Report) Err() error {
	var errs []error
	if unknown := r.rows(Unknown); len(unknown) > 0 {
		errs = append(errs, problem.New(problem.Cluster, "NotTold", "it could not be told of cases %s; case %d: %s",
			numbers(unknown), unknown[0].Number, unknown[0].Message).
			WithFix("mend what stood in the way, then eastwest mcs conformance --case %s", numbers(unknown)))
	}
	if broken := r.rows(NotConformant); len(broken) > 0 {
		errs = append(errs, problem.New(problem.Unverified, "NotConformant", "not conformant in cases %s; case %d, that %s: %s",
			numbers(broken), broken[0].Number, broken[0].Title, broken[0].Message).
			WithFix("look at it alone: eastwest mcs conformance --case %s", numbers(broken)))
	}
	return errors.Join(errs...)
}

// numbers lists rows, as --case takes them.
func numbers(rows []Row) string {
	all := make([]string, len(rows))
	for i, row := range rows {
		all[i] = strconv.Itoa(row.Number)
	}
	return strings.Join(all, ",")
}
