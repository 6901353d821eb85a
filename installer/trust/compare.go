package trust

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Severity says what a finding means for joining.
type Severity string

const (
	// Refusal stops everything; nothing overrides it.
	Refusal Severity = "refusal"
	// Warning is shown and stops nothing.
	Warning Severity = "warning"
)

// Finding is one thing that is wrong with the trust of members.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	// Clusters are the members concerned, sorted.
	Clusters []string `json:"clusters"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix,omitempty"`
	// Rows are the table that belongs to it: one for each member and root.
	Rows []Row `json:"rows,omitempty"`
}

// Row is one line of the table of roots and trust domains.
type Row struct {
	Cluster     string       `json:"cluster"`
	Kind        Kind         `json:"kind"`
	Provider    string       `json:"provider,omitempty"`
	Root        *Certificate `json:"root,omitempty"`
	TrustDomain string       `json:"trustDomain"`
	Aliases     []string     `json:"aliases,omitempty"`
}

// Table lists what members trust, in order.
func Table(states map[string]State) []Row {
	var rows []Row
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		row := Row{Cluster: name, Kind: s.Kind, Provider: s.Provider, TrustDomain: s.TrustDomain, Aliases: s.TrustDomainAliases}
		if len(s.Roots) == 0 {
			rows = append(rows, row)
		}
		for i := range s.Roots {
			row.Root = &s.Roots[i]
			rows = append(rows, row)
		}
	}
	return rows
}

// Compare says whether members can trust each other. Whole sets of roots are
// compared, both ways: one common root among others is not enough, since what
// the other signs with need not be that one.
func Compare(states map[string]State, now time.Time) []Finding {
	var findings []Finding
	add := func(found ...Finding) { findings = append(findings, found...) }
	if len(states) > 1 {
		add(compareRoots(states, now)...)
		add(compareDomains(states)...)
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		add(checkEnds(name, states[name], now)...)
		if !states[name].Loaded {
			add(notLoaded(name))
		}
	}
	return findings
}

// Refused joins the refusals among findings, each a problem of its own, or is nil.
func Refused(findings []Finding) error {
	var all []error
	for _, f := range findings {
		if f.Severity == Refusal {
			all = append(all, problem.New(problem.Refused, f.Code, "%s", f.Message).WithFix("%s", f.Fix))
		}
	}
	return errors.Join(all...)
}
