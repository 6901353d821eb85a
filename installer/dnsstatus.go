package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/eastwest-mesh/eastwest/installer/clusterdns"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
)

// What status says of a member's DNS, beside the states of a DNSReport.
const (
	dnsNone      = "none"
	dnsElsewhere = "elsewhere"
	dnsUnknown   = "unknown"
)

// dnsStatus says whether a member's own DNS is pointed at its agent, and why not. It
// reads a few objects and asks nobody.
func (s *site) dnsStatus(ctx context.Context) (state, detail, fix string) {
	facts, err := s.dnsFacts(ctx)
	if err != nil {
		return dnsUnknown, err.Error(), ""
	}
	target, there, err := s.liveDNS(ctx)
	if err != nil {
		return dnsUnknown, err.Error(), ""
	}
	ours := entered(facts)
	if !there {
		if len(ours) == 0 {
			return dnsNone, "", ""
		}
		return dnsElsewhere, "no agent answers, and the zone is still entered into " + strings.Join(ours, " and "), "eastwest up, down or leave takes it out"
	}
	hooks, err := clusterdns.Hooks(facts)
	var unsupported *clusterdns.Unsupported
	if errors.As(err, &unsupported) {
		return dnsByHand, unsupported.Error(), ""
	}
	if err != nil {
		return dnsUnknown, err.Error(), ""
	}
	_, same, err := pointEdits(facts, hooks, target)
	var conflict *clusterdns.Conflict
	switch {
	case errors.As(err, &conflict):
		return dnsConflict, conflict.Error(), conflict.Fix
	case err != nil:
		return dnsUnknown, err.Error(), ""
	case same:
		return dnsPointed, "", ""
	case len(ours) > 0:
		return dnsElsewhere, fmt.Sprintf("%s: the zone does not lead to %s", strings.Join(ours, " and "), strings.Join(target.Servers, ", ")), "eastwest up writes it anew"
	}
	return dnsByHand, "eastwest has not entered the zone", ""
}

// entered are the places that hold something of ours.
func entered(facts clusterdns.Facts) []string {
	var places []string
	for _, place := range clusterdns.Places(facts) {
		if change, err := place.Restore(clusterdns.Target{Zone: clusterZone}); err != nil || !change.Same {
			places = append(places, place.Place)
		}
	}
	return places
}

// fillDNS says of each living member whether its DNS is pointed at its agent.
func (in *Installer) fillDNS(ctx context.Context, members []MemberStatus) {
	jobs := make([]int, 0, len(members))
	for i, one := range members {
		if s := in.site(one.Name); s.alive() && s.facts != nil {
			jobs = append(jobs, i)
		}
	}
	eachLink(jobs, func(i int) {
		members[i].DNS, members[i].DNSDetail, _ = in.site(members[i].Name).dnsStatus(ctx)
	})
}

// doctorDNS finds the members whose DNS was pointed at their agents and is no more, or
// not all of it.
func (in *Installer) doctorDNS(ctx context.Context) []preflight.Finding {
	var mu sync.Mutex // guards findings
	var findings []preflight.Finding
	eachLink(in.alive(), func(s *site) {
		state, detail, fix := s.dnsStatus(ctx)
		if state != dnsElsewhere && state != dnsConflict {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		findings = append(findings, preflight.Finding{
			Check: "ClusterDNS", Severity: preflight.Warn, Members: []string{s.name()}, Detail: detail, Fix: fix,
		})
	})
	return findings
}
