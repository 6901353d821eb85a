// Package report is the outcome of a verification as data, and its printed
// forms. It owns the versioned shape that scripts read, the N x N matrix that a
// person reads, and nothing else: it knows no cluster and draws no conclusion.
package report

import (
	"errors"
	"fmt"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Version of the shape: fields are only added within one.
const (
	APIVersion = "eastwest.dev/v1alpha1"
	Kind       = "VerifyReport"
)

// Report is the whole outcome.
type Report struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Run        string    `json:"run"`
	Namespace  string    `json:"namespace"`
	Started    time.Time `json:"started"`
	Seconds    float64   `json:"seconds"`
	Passed     bool      `json:"passed"`
	// Confidence is that of every statistical statement here.
	Confidence float64   `json:"confidence"`
	Members    []Member  `json:"members"`
	Links      []Link    `json:"links"`
	Shared     []Share   `json:"shared"`
	Findings   []Finding `json:"findings"`
	// Notes are what could not be read, and what was left behind.
	Notes []string `json:"notes,omitempty"`
}

// Member is a cluster as the verification met it.
type Member struct {
	Name      string `json:"name"`
	ClusterID string `json:"clusterID,omitempty"`
	Network   string `json:"network,omitempty"`
	Revision  string `json:"revision,omitempty"`
	// Version is what helloworld says there.
	Version string `json:"version,omitempty"`
	Ready   bool   `json:"ready"`
	// Reason is why it took no part; Failed says that it could not be worked
	// with at all, rather than that something was found in it.
	Reason string `json:"reason,omitempty"`
	Failed bool   `json:"failed,omitempty"`
}

// State of a link.
type State string

// States of links and of shared services.
const (
	OK          State = "ok"
	Broken      State = "broken"      // never answered
	Flaky       State = "flaky"       // answered, but not every time
	Unreachable State = "unreachable" // one of the clusters took no part
	Unexpected  State = "unexpected"  // no link was asked for
	Skipped     State = "skipped"     // could not be judged
	Skewed      State = "skewed"      // shares far from the weights
)

// Link is one cell of the matrix.
type Link struct {
	Consumer string  `json:"consumer"`
	Producer string  `json:"producer"`
	State    State   `json:"state"`
	Sent     int     `json:"sent"`
	Good     int     `json:"good"`
	P50ms    float64 `json:"p50ms,omitempty"`
	P99ms    float64 `json:"p99ms,omitempty"`
	// Failures counts the bad answers by what went wrong.
	Failures map[string]int `json:"failures,omitempty"`
	// Hop and Check name the first broken one.
	Hop   string `json:"hop,omitempty"`
	Check string `json:"check,omitempty"`
}

// Share is who answered the shared service when one consumer asked.
type Share struct {
	Consumer string         `json:"consumer"`
	State    State          `json:"state"`
	Sent     int            `json:"sent"`
	Good     int            `json:"good"`
	P50ms    float64        `json:"p50ms,omitempty"`
	P99ms    float64        `json:"p99ms,omitempty"`
	Failures map[string]int `json:"failures,omitempty"`
	Versions []Version      `json:"versions,omitempty"`
	// P is the chance of shares this far from the weights if these held.
	P float64 `json:"p,omitempty"`
	// Reason says why it was not judged.
	Reason string `json:"reason,omitempty"`
}

// Version is one member's part in the shared service.
type Version struct {
	Version string `json:"version"`
	Member  string `json:"member"`
	// Weight is the part that the consumer's Envoy gives it, 0 to 1.
	Weight float64 `json:"weight"`
	Count  int     `json:"count"`
}

// Severity of a finding.
type Severity string

// Severities.
const (
	Fail Severity = "fail"
	Warn Severity = "warn"
)

// Finding is something wrong, said once for all links it breaks.
type Finding struct {
	// Check is the stable ID, Hop where on the way it is; Claim is what should
	// hold.
	Check    string   `json:"check"`
	Hop      string   `json:"hop,omitempty"`
	Severity Severity `json:"severity"`
	Claim    string   `json:"claim,omitempty"`
	// Links are those it is about, as "consumer -> producer".
	Links []string `json:"links,omitempty"`
	// Cluster and Object are where it has to be mended.
	Cluster  string   `json:"cluster,omitempty"`
	Object   string   `json:"object,omitempty"`
	Seen     string   `json:"seen"`
	Evidence []string `json:"evidence,omitempty"`
	Fix      string   `json:"fix,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	// TrafficWorks says that the links answer nevertheless.
	TrafficWorks bool `json:"trafficWorks,omitempty"`
}

// Arrow is how a link is written.
func Arrow(consumer, producer string) string { return consumer + " -> " + producer }

// Link returns a cell; ok is false where the matrix has none.
func (r *Report) Link(consumer, producer string) (Link, bool) {
	for _, l := range r.Links {
		if l.Consumer == consumer && l.Producer == producer {
			return l, true
		}
	}
	return Link{}, false
}

// Counts are the links that were asked for and those that answered every time.
func (r *Report) Counts() (good, all int) {
	for _, l := range r.Links {
		if l.State == Unexpected {
			continue
		}
		all++
		if l.State == OK {
			good++
		}
	}
	return good, all
}

// Err is nil if all was proved; else one problem for links and one for every
// cluster that took no part.
func (r *Report) Err() error {
	var errs []error
	for _, m := range r.Members {
		if m.Failed {
			errs = append(errs, problem.New(problem.Cluster, "ClusterFailed", "%s", m.Reason).On(m.Name).
				WithFix("its links are not proved; mend the cluster and run eastwest verify again"))
		}
	}
	var fails []Finding
	for _, f := range r.Findings {
		if f.Severity == Fail {
			fails = append(fails, f)
		}
	}
	if len(fails) > 0 {
		good, all := r.Counts()
		first := fails[0]
		e := problem.New(problem.Unverified, "NotVerified", "%d of %d links proved, %s: %s: %s",
			good, all, plural(len(fails), "finding"), first.Check, first.Seen)
		if first.Fix != "" {
			e = e.WithFix("%s", first.Fix)
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
