package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// ledger collects findings; one cause that breaks many links is one finding.
type ledger struct {
	findings []report.Finding
	// order is the IDs of checks in which findings are told.
	order  []string
	advice Advice
}

// maxEvidence bounds the lines under one finding.
const maxEvidence = 8

// add merges a finding with one of the same check about the same thing.
func (l *ledger) add(f report.Finding) {
	for i := range l.findings {
		old := &l.findings[i]
		if old.Check != f.Check || old.Cluster != f.Cluster || old.Object != f.Object || old.Severity != f.Severity {
			continue
		}
		for _, link := range f.Links {
			if !slices.Contains(old.Links, link) {
				old.Links = append(old.Links, link)
			}
		}
		more := f.Evidence
		if f.Seen != old.Seen {
			more = append([]string{f.Seen}, more...)
		}
		for _, e := range more {
			if len(old.Evidence) < maxEvidence && !slices.Contains(old.Evidence, e) {
				old.Evidence = append(old.Evidence, e)
			}
		}
		return
	}
	l.findings = append(l.findings, f)
}

// verdict is a broken check of a link.
func (l *ledger) verdict(pair Pair, v judge.Verdict, works bool) {
	l.add(report.Finding{
		Check: v.ID, Hop: string(v.Hop), Severity: report.Fail, Claim: v.Claim, Hint: v.Hint,
		Links:   []string{report.Arrow(pair.Consumer, pair.Producer)},
		Cluster: v.Cluster, Object: v.Object, Seen: v.Seen, Evidence: v.Evidence, Fix: v.Fix,
		TrafficWorks: works,
	})
}

// flaky is a link that answers only now and then, without a known reason.
func (l *ledger) flaky(pair Pair, s traffic.Summary) {
	l.add(report.Finding{
		Check: "link-steady", Severity: report.Fail, Claim: "a link that answers does so every time",
		Links: []string{report.Arrow(pair.Consumer, pair.Producer)}, Cluster: pair.Producer,
		Seen: fmt.Sprintf("%d of %d requests from %s to %s failed: %s", s.Sent-s.Good, s.Sent, pair.Consumer, pair.Producer, counts(s.Failures)),
		Fix:  fmt.Sprintf(l.advice.Flaky, pair.Consumer),
	})
}

// workloads says which of a member's pods never became ready. That helloworld is
// not is said by the links to it, unless it is for want of a sidecar.
func (l *ledger) workloads(m *Member) {
	var p *problem.Error
	if errors.As(m.Err, &p) {
		f := report.Finding{
			Check: "harness-sidecar", Severity: report.Fail, Cluster: m.Name, Object: p.Object,
			Claim: "the test pods get a sidecar", Seen: p.Message, Fix: p.Fix,
		}
		if p.Code == harness.CodeNoExports {
			f.Check, f.Claim = "harness-exports", "the cluster has the type by which services are exported"
		}
		l.add(f)
	}
	if m.Err != nil {
		return
	}
	for _, w := range []harness.Workload{m.Sleep, m.Hello} {
		if w.Ready || w.Name == "" || (w.Name != harness.SleepName && !w.Bare) {
			continue
		}
		f := report.Finding{
			Check: "harness-pods", Severity: report.Fail, Cluster: m.Name,
			Claim:  "the test pods become ready",
			Object: "Deployment " + m.Plan.Namespace + "/" + w.Name,
			Seen:   fmt.Sprintf("%s is not ready: %s", w.Name, w.Reason),
			Fix:    fmt.Sprintf("run verify with --keep and look: kubectl -n %s describe pods", m.Plan.Namespace),
		}
		if w.Bare {
			f.Check, f.Claim, f.Object = "harness-sidecar", "the test pods get a sidecar", "Namespace "+m.Plan.Namespace
			f.Seen = fmt.Sprintf("pods were made without a sidecar, though the namespace is labelled for revision %q", m.Cluster.Revision)
			f.Fix = "name the revision that is there (kubectl -n istio-system get pods -l app=istiod --show-labels), or see whether its injector runs"
		}
		l.add(f)
	}
}

// share judges the answers of the shared service for one consumer.
func (l *ledger) share(s report.Share, o judge.Outcome, confidence float64) report.State {
	state := report.OK
	base := report.Finding{Cluster: s.Consumer, Links: links(s, "")}
	if s.Good < s.Sent || s.Sent == 0 {
		f := base
		f.Check, f.Severity, f.Claim = "shared-answers", report.Fail, "the shared service answers every time"
		f.Seen = fmt.Sprintf("%d of %d requests from %s failed: %s", s.Sent-s.Good, s.Sent, s.Consumer, counts(s.Failures))
		f.Fix = "see the links of " + s.Consumer + "; if they answer, the shared Service has an endpoint that they do not"
		l.add(f)
		state = report.Flaky
	}
	if o.Skewed {
		f := base
		f.Check, f.Severity, f.Claim = "shared-share", report.Warn, "versions answer as often as their weights say"
		f.Seen = fmt.Sprintf("answers to %s do not fit the weights in its Envoy: p = %.2g, below %.2g", s.Consumer, o.P, 1-confidence)
		f.Fix = fmt.Sprintf(l.advice.Skewed, s.Consumer)
		l.add(f)
		state = worse(state, report.Skewed)
	}
	for _, v := range s.Versions {
		if v.Weight == 0 && v.Count == 0 {
			l.absent(base, v)
		}
	}
	for _, m := range o.Missing {
		f := base
		f.Check, f.Severity, f.Claim = "shared-version", report.Fail, "every version with a weight answers"
		f.Links = links(s, m.Version)
		f.Seen = fmt.Sprintf("%s never answered %s in %d requests; by its weight the chance of that is %.2g", m.Version, s.Consumer, s.Good, m.Chance)
		f.Fix = fmt.Sprintf(l.advice.Missing, s.Consumer)
		if !m.Proven {
			f.Check, f.Severity = "shared-inconclusive", report.Warn
			f.Fix = "run eastwest verify with more --requests"
		} else {
			state = report.Broken
		}
		l.add(f)
	}
	return state
}

// absent is a version whose link answers but to which the shared service sends
// nothing: a failover policy may want that.
func (l *ledger) absent(f report.Finding, v report.Version) {
	f.Check, f.Severity, f.Claim = "shared-weight", report.Warn, "the shared service has an endpoint in use in every member"
	f.Links = []string{report.Arrow(f.Cluster, v.Member)}
	f.Seen = fmt.Sprintf("the Envoy of %s gives %s in %s no weight", f.Cluster, v.Version, v.Member)
	f.Fix = fmt.Sprintf(l.advice.Weightless, f.Cluster)
	l.add(f)
}

// links are those to the members of a version, or to all.
func links(s report.Share, version string) []string {
	var all []string
	for _, v := range s.Versions {
		if version == "" || v.Version == version {
			all = append(all, report.Arrow(s.Consumer, v.Member))
		}
	}
	return all
}

func worse(a, b report.State) report.State {
	if a != report.OK {
		return a
	}
	return b
}

func counts(failures map[string]int) string {
	var all []string
	for what, n := range failures {
		all = append(all, fmt.Sprintf("%s x%d", what, n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// sorted puts failures first, then follows the way of a request.
func (l *ledger) sorted() []report.Finding {
	order := map[string]int{}
	for i, id := range l.order {
		order[id] = i + 1
	}
	slices.SortStableFunc(l.findings, func(a, b report.Finding) int {
		if a.Severity != b.Severity {
			if a.Severity == report.Fail {
				return -1
			}
			return 1
		}
		return order[a.Check] - order[b.Check]
	})
	return l.findings
}
