package verify

import (
	"errors"
	"fmt"
	"slices"
	"time"

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
	book := &ledger{order: r.dataplane.Order(), advice: r.dataplane.Advice()}
	for _, m := range r.Members {
		out.Members = append(out.Members, r.reportMember(m))
		if !r.interrupted {
			book.workloads(m)
		}
		for _, text := range r.dataplane.Unread(m) {
			out.Notes = append(out.Notes, fmt.Sprintf("cluster %s: could not read %s", m.Name, text))
		}
	}
	for _, c := range r.Cells {
		out.Links = append(out.Links, r.reportCell(c, book))
	}
	for _, s := range r.shares {
		out.Shared = append(out.Shared, r.reportShare(s, book))
	}
	for _, s := range r.standing {
		book.verdict(s.Pair, s.Verdict, s.Works)
	}
	out.Findings = book.sorted()
	dead := r.interrupted || slices.ContainsFunc(r.Members, func(m *Member) bool { return m.Err != nil })
	good, all := out.Counts()
	out.Passed = !dead && good == all && !slices.ContainsFunc(out.Findings, func(f report.Finding) bool { return f.Severity == report.Fail })
	return out
}

func (r *run) reportMember(m *Member) report.Member {
	out := report.Member{
		Name: m.Name, ClusterID: m.ClusterID, Network: m.Network, Revision: m.Cluster.Revision,
		Version: m.Version, Ready: m.Err == nil,
	}
	if m.Err != nil {
		out.Reason = m.Err.Error()
		out.Failed = !isProblem(m.Err)
	}
	if network := r.dataplane.Network(m); network != "" {
		out.Network = network
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
func (r *run) reportCell(c *Cell, book *ledger) report.Link {
	s := traffic.Summarise(c.answers)
	out := report.Link{
		Consumer: c.Consumer.Name, Producer: c.Producer.Name, State: r.state(c, s), Sent: s.Sent, Good: s.Good,
		P50ms: ms(s.P50), P99ms: ms(s.P99), Failures: s.Failures,
	}
	pair := c.Pair()
	if out.State == report.Broken && c.Verdict == nil {
		// Nothing was looked at, since the producer has no pod to be called.
		verdict := r.dataplane.Unseen(c)
		c.Verdict = &verdict
	}
	switch {
	case out.State == report.Flaky && (c.Verdict == nil || c.Verdict.Symptom):
		book.flaky(pair, s)
	case out.State == report.Broken || out.State == report.Flaky:
		out.Hop, out.Check = string(c.Verdict.Hop), c.Verdict.ID
		if !c.Producer.Hello.Bare { // else it is said of the member
			book.verdict(pair, *c.Verdict, c.Answered)
		}
	}
	return out
}

// state is what a cell has come to.
func (r *run) state(c *Cell, s traffic.Summary) report.State {
	dead := func(m *Member) bool { return m.Err != nil && !m.contacted }
	switch {
	case !c.Expected:
		return report.Unexpected
	case dead(c.Consumer) || dead(c.Producer):
		return report.Unreachable
	case !c.Consumer.Calls() || c.Producer.Err != nil:
		return report.Skipped
	case r.interrupted && (!c.Answered || s.Sent == 0):
		return report.Skipped
	case !c.Producer.Answers() || !c.Answered:
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
	case s.consumer.Err != nil:
		out.State, out.Reason = report.Skipped, "the cluster took no part"
		return out
	case s.skipped != "" || s.weights == nil:
		out.State, out.Reason = report.Skipped, s.skipped
		if s.skipped == "" {
			out.Reason = "nothing was called"
		}
		return out
	}
	for _, m := range r.Members {
		if weight, ok := s.weights[m.Version]; ok {
			out.Versions = append(out.Versions, report.Version{
				Version: m.Version, Member: m.Name, Weight: weight, Count: s.summary.Versions[m.Version],
			})
		}
	}
	out.State = book.share(out, s.outcome, r.Confidence)
	return out
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
