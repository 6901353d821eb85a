package verify

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
	"github.com/eastwest-mesh/eastwest/internal/problem"
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
		if !r.interrupted {
			book.workloads(m)
		}
		for _, text := range m.facts.Unread {
			out.Notes = append(out.Notes, fmt.Sprintf("cluster %s: could not read %s", m.Name, text))
		}
	}
	for _, c := range r.cells {
		out.Links = append(out.Links, r.reportCell(c, book))
	}
	for _, s := range r.shares {
		out.Shared = append(out.Shared, r.reportShare(s, book))
	}
	for _, d := range r.discovery {
		book.verdict(d.Pair, d.Verdict, d.works)
	}
	out.Findings = book.sorted()
	dead := r.interrupted || slices.ContainsFunc(r.members, func(m *member) bool { return m.err != nil })
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
		out.Failed = !isProblem(m.err)
	}
	if m.hello.Pod != nil {
		out.Network = m.networkOf(m.hello)
	}
	return out
}

// isProblem says that an error is something found in a cluster, rather than a
// failure to look.
func isProblem(err error) bool {
	var p *problem.Error
	return errors.As(err, &p)
}

// reportCell is one cell of the matrix, and its finding if it has one.
func (r *run) reportCell(c *cell, book *ledger) report.Link {
	s := traffic.Summarise(c.answers)
	out := report.Link{
		Consumer: c.consumer.Name, Producer: c.producer.Name, State: r.state(c, s), Sent: s.Sent, Good: s.Good,
		P50ms: ms(s.P50), P99ms: ms(s.P99), Failures: s.Failures,
	}
	pair := Pair{c.consumer.Name, c.producer.Name}
	if out.State == report.Broken && c.verdict == nil {
		// Nothing was looked at, since the producer has no pod to be called.
		verdict := judge.First(c.evidence(&sight{}, &sight{}, time.Time{}))
		c.verdict = &verdict
	}
	switch {
	case out.State == report.Flaky && (c.verdict == nil || c.verdict.Symptom):
		book.flaky(pair, s)
	case out.State == report.Broken || out.State == report.Flaky:
		out.Hop, out.Check = string(c.verdict.Hop), c.verdict.ID
		if !c.producer.hello.Bare { // else it is said of the member
			book.verdict(pair, *c.verdict, c.answered)
		}
	}
	return out
}

// state is what a cell has come to.
func (r *run) state(c *cell, s traffic.Summary) report.State {
	dead := func(m *member) bool { return m.err != nil && !m.contacted }
	switch {
	case !c.expected:
		return report.Unexpected
	case dead(c.consumer) || dead(c.producer):
		return report.Unreachable
	case !c.consumer.calls() || c.producer.err != nil:
		return report.Skipped
	case r.interrupted && (!c.answered || s.Sent == 0):
		return report.Skipped
	case !c.producer.answers() || !c.answered:
		return report.Broken
	case s.Good < s.Sent || s.Sent == 0:
		return report.Flaky
	}
	return report.OK
}

// reportShare is who answered one consumer.
func (r *run) reportShare(s *share, book *ledger) report.Share {
	out := report.Share{
		Consumer: s.consumer.Name, Sent: s.summary.Sent, Good: s.summary.Good,
		P50ms: ms(s.summary.P50), P99ms: ms(s.summary.P99), Failures: s.summary.Failures, P: s.outcome.P,
	}
	switch {
	case s.consumer.err != nil:
		out.State, out.Reason = report.Skipped, "the cluster took no part"
		return out
	case s.skipped != "" || s.weights == nil:
		out.State, out.Reason = report.Skipped, s.skipped
		if s.skipped == "" {
			out.Reason = "nothing was called"
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
