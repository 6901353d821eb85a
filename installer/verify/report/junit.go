package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr,omitempty"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit has one test per link, per shared service, and per finding that is
// about neither a broken link nor a share.
func (r *Report) junit(w io.Writer) error {
	all := junitSuites{Name: "eastwest verify", Time: fmt.Sprintf("%.3f", r.Seconds)}
	all.add(junitSuite{Name: "links", Cases: r.junitLinks()})
	all.add(junitSuite{Name: "shared service", Cases: r.junitShared()})
	all.add(junitSuite{Name: "findings", Cases: r.junitFindings()})
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (all *junitSuites) add(s junitSuite) {
	for _, c := range s.Cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
	}
	all.Tests, all.Failures, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Skipped+s.Skipped
	all.Suites = append(all.Suites, s)
}

func (r *Report) junitLinks() []junitCase {
	var cases []junitCase
	for _, l := range r.Links {
		c := junitCase{Class: "links", Name: Arrow(l.Consumer, l.Producer), Time: fmt.Sprintf("%.6f", l.P50ms/1000)}
		switch l.State {
		case OK:
		case Unexpected, Skipped:
			c.Skipped = &junitMessage{Message: string(l.State)}
		default:
			c.Failure = r.why(c.Name, l.cell())
		}
		cases = append(cases, c)
	}
	return cases
}

// why is the finding about a link, or its own state where there is none.
func (r *Report) why(arrow, otherwise string) *junitMessage {
	for _, f := range r.Findings {
		for _, l := range f.Links {
			if l == arrow && f.Severity == Fail {
				return f.junit()
			}
		}
	}
	return &junitMessage{Message: otherwise}
}

func (r *Report) junitShared() []junitCase {
	var cases []junitCase
	for _, s := range r.Shared {
		c := junitCase{Class: "shared", Name: s.Consumer, Time: fmt.Sprintf("%.6f", s.P50ms/1000)}
		switch s.State {
		case OK, Skewed: // a skew is a warning, and among the findings
		case Skipped, Unreachable:
			c.Skipped = &junitMessage{Message: s.outcome()}
		default:
			c.Failure = &junitMessage{Message: s.outcome()}
		}
		cases = append(cases, c)
	}
	return cases
}

func (r *Report) junitFindings() []junitCase {
	var cases []junitCase
	for _, f := range r.Findings {
		c := junitCase{Class: "findings", Name: f.title()}
		if f.Severity == Fail {
			c.Failure = f.junit()
		} else {
			c.Skipped = &junitMessage{Message: f.Seen}
		}
		cases = append(cases, c)
	}
	return cases
}

func (f Finding) junit() *junitMessage {
	var b strings.Builder
	f.text(&b)
	return &junitMessage{Message: f.Check + ": " + f.Seen, Text: b.String()}
}
