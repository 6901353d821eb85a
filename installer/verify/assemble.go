package verify

import (
	"fmt"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// report puts together what the run has seen. It asks nothing any more.
func (r *run) report(started time.Time) *report.Report {
	out := &report.Report{
		APIVersion: report.APIVersion, Kind: report.Kind,
		Run: r.Run, Namespace: r.Namespace, Confidence: r.Confidence,
		Started: started.UTC().Truncate(time.Second), Seconds: time.Since(started).Round(time.Millisecond).Seconds(),
		Notes: r.notes,
	}
	book := &ledger{}
	for _, m := range r.members {
		out.Members = append(out.Members, m.report())
		book.workloads(m)
		for _, text := range m.facts.Unread {
			out.Notes = append(out.Notes, fmt.Sprintf("cluster %s: could not read %s", m.Name, text))
		}
	}
	for _, c := range r.cells {
		out.Links = append(out.Links, c.report(book))
	}
	for _, s := range r.shares {
		out.Shared = append(out.Shared, r.reportShare(s, book))
	}
	for _, d := range r.discovery {
		book.verdict(d.Pair, d.Verdict, d.works)
	}
	out.Findings = book.sorted()
	dead := slices.ContainsFunc(r.members, func(m *member) bool { return m.err != nil })
	good, all := out.Counts()
	out.Passed = !dead && good == all && !slices.ContainsFunc(out.Findings, func(f report.Finding) bool { return f.Severity == report.Fail })
	return out
}

func (m *member) report() report.Member {
	out := report.Member{
		Name: m.Name, ClusterID: m.ClusterID, Network: m.Network, Revision: m.Cluster.Revision,
		Version: m.version, Ready: m.err == nil,
	}
	if m.err != nil {
		out.Reason = m.err.Error()
	}
	if m.hello.Pod != nil {
		out.Network = m.networkOf(m.hello)
	}
	return out
}

// report is one cell of the matrix, and its finding if it has one.
func (c *cell) report(book *ledger) report.Link {
	s := traffic.Summarise(c.answers)
	out := report.Link{
		Consumer: c.consumer.Name, Producer: c.producer.Name, Sent: s.Sent, Good: s.Good,
		P50ms: ms(s.P50), P99ms: ms(s.P99), Failures: s.Failures,
	}
	pair := Pair{c.consumer.Name, c.producer.Name}
	switch {
	case !c.expected:
		out.State = report.Unexpected
	case c.consumer.err != nil || c.producer.err != nil:
		out.State = report.Unreachable
	case !c.consumer.calls():
		out.State = report.Skipped
	case !c.producer.answers():
		verdict := judge.First(c.evidence(&sight{}, &sight{}, time.Time{}))
		c.verdict = &verdict
		out.State = report.Broken
	case !c.answered:
		out.State = report.Broken
	case s.Good < s.Sent || s.Sent == 0:
		out.State = report.Flaky
	default:
		out.State = report.OK
	}
	switch {
	case out.State == report.Flaky && (c.verdict == nil || c.verdict.ID == "producer-answers"):
		book.flaky(pair, s)
	case (out.State == report.Broken || out.State == report.Flaky) && c.verdict != nil:
		out.Hop, out.Check = string(c.verdict.Hop), c.verdict.ID
		book.verdict(pair, *c.verdict, c.answered)
	case out.State == report.Broken:
		book.untold(pair, c.last)
	}
	return out
}

// reportShare is who answered one consumer.
func (r *run) reportShare(s *share, book *ledger) report.Share {
	out := report.Share{
		Consumer: s.consumer.Name, Sent: s.summary.Sent, Good: s.summary.Good,
		P50ms: ms(s.summary.P50), P99ms: ms(s.summary.P99), Failures: s.summary.Failures, P: s.outcome.P,
	}
	switch {
	case s.consumer.err != nil:
		out.State, out.Reason = report.Unreachable, "the cluster took no part"
		return out
	case s.skipped != "" || s.weights == nil:
		out.State, out.Reason = report.Skipped, s.skipped
		if s.skipped == "" {
			out.Reason = "sleep is not ready"
		}
		return out
	}
	for _, m := range r.members {
		if weight, ok := s.weights[m.version]; ok {
			out.Versions = append(out.Versions, report.Version{
				Version: m.version, Member: m.Name, Weight: weight, Count: s.summary.Versions[m.version],
			})
		}
	}
	out.State = book.share(out, s.outcome, r.Confidence)
	return out
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// workloads says which of a member's pods never became ready.
func (l *ledger) workloads(m *member) {
	if m.err != nil {
		return
	}
	for _, w := range []harness.Workload{m.sleep, m.hello} {
		if w.Ready || w.Name == "" {
			continue
		}
		f := report.Finding{
			Check: "harness-pods", Severity: report.Fail, Cluster: m.Name,
			Claim:  "the test pods become ready",
			Object: "Deployment " + m.plan.Namespace + "/" + w.Name,
			Seen:   fmt.Sprintf("%s is not ready: %s", w.Name, w.Reason),
			Fix:    fmt.Sprintf("run verify with --keep and look: kubectl -n %s describe pods", m.plan.Namespace),
		}
		if w.Bare {
			f.Check, f.Claim = "harness-sidecar", "the test pods get a sidecar"
			f.Seen = fmt.Sprintf("the pod of %s was made without a sidecar, though namespace %s is labelled for revision %q", w.Name, m.plan.Namespace, m.Cluster.Revision)
			f.Fix = "name the revision that is there (kubectl -n istio-system get pods -l app=istiod --show-labels), or see whether its injector runs"
		}
		l.add(f)
	}
}
