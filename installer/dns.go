package installer

import (
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/clusterdns"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// dnsStep is the name of this step, and of what it changes.
const dnsStep = "dns"

// maxRaces bounds how often an object is read anew that somebody else wrote meanwhile.
const maxRaces = 5

// DNSReport is what became of one member's own DNS.
type DNSReport struct {
	Cluster string `json:"cluster"`
	// State is pointed, by-hand, conflict, failed or off; planned in a dry run.
	State string `json:"state"`
	// Places are where the zone is entered.
	Places []string `json:"places,omitempty"`
	// Answer is what a pod was told of the zone, Hop where the way to the answer is
	// broken; both are empty where no pod asked.
	Answer string `json:"answer,omitempty"`
	Hop    string `json:"hop,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Steps are for a person, where nothing was written; Fix mends what is wrong.
	Steps []string `json:"steps,omitempty"`
	Fix   string   `json:"fix,omitempty"`

	target clusterdns.Target
}

// States of a DNSReport.
const (
	dnsPointed  = "pointed"
	dnsPlanned  = "planned"
	dnsByHand   = "by-hand"
	dnsConflict = "conflict"
	dnsFailed   = "failed"
	dnsOff      = "off"
)

// pointDNS makes the DNS of all members ask their agents for the zone, as the mesh file
// wants it. A member where that fails stays in the run: its links need no names.
func (in *Installer) pointDNS(ctx context.Context) {
	eachLink(in.alive(), func(s *site) {
		bounded, cancel := context.WithTimeout(ctx, in.options.StepTimeout)
		defer cancel()
		in.tell(Event{Cluster: s.name(), Step: dnsStep, State: Running})
		one, err := in.pointSite(bounded, s)
		state := Done
		if one.Cluster = s.name(); err != nil {
			one.State, one.Detail, state = dnsFailed, err.Error(), Failed
			in.fail(located(ctx, err, s.name()))
		}
		in.recordDNS(one)
		in.tell(Event{Cluster: s.name(), Step: dnsStep, State: state, Text: one.Detail})
	})
}

func (in *Installer) recordDNS(one DNSReport) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.report.DNS = append(in.report.DNS, one)
	slices.SortFunc(in.report.DNS, func(a, b DNSReport) int {
		return slices.IndexFunc(in.sites, func(s *site) bool { return s.name() == a.Cluster }) -
			slices.IndexFunc(in.sites, func(s *site) bool { return s.name() == b.Cluster })
	})
}

func (in *Installer) pointSite(ctx context.Context, s *site) (DNSReport, error) {
	service, _, err := in.renderedDNS(s)
	if err != nil {
		return DNSReport{}, err
	}
	if service == "" {
		return DNSReport{State: dnsOff}, in.restoreDNS(ctx, s)
	}
	target, err := in.dnsTarget(ctx, s, service)
	if err != nil {
		return DNSReport{}, err
	}
	for race := 1; ; race++ {
		facts, err := s.dnsFacts(ctx)
		if err != nil {
			return DNSReport{}, err
		}
		report, edits, err := in.judgeDNS(facts, target)
		if err != nil || len(edits) == 0 {
			return report, err
		}
		_, err = in.carryOut(ctx, s, apply.EditPlan(dnsStep, edits...))
		if err == nil || !apply.Raced(err) || race == maxRaces {
			return report, err
		}
	}
}

// judgeDNS decides what is to be written into a cluster's own DNS: all of it, or where
// a person must act nothing, and the steps.
func (in *Installer) judgeDNS(facts clusterdns.Facts, target clusterdns.Target) (DNSReport, []apply.Edit, error) {
	report := DNSReport{State: dnsPointed, target: target}
	hooks, err := clusterdns.Hooks(facts)
	var unsupported *clusterdns.Unsupported
	if errors.As(err, &unsupported) {
		report.State, report.Detail = dnsByHand, err.Error()
		report.Steps = append(unsupported.Steps, "the server is:\n"+clusterdns.Block(target))
		return report, nil, nil
	}
	if err != nil {
		return report, nil, err
	}
	edits, same, err := pointEdits(facts, hooks, target)
	for _, hook := range hooks {
		report.Places = append(report.Places, hook.Place)
	}
	var conflict *clusterdns.Conflict
	switch {
	case errors.As(err, &conflict):
		report.State, report.Detail, report.Fix = dnsConflict, conflict.Error(), conflict.Fix
		return report, nil, nil
	case err != nil:
		return report, nil, err
	case in.mesh.Spec.DNS == config.DNSManual && !same:
		report.State, report.Detail = dnsByHand, "--dns manual writes nothing"
		for _, hook := range hooks {
			report.Steps = append(report.Steps, hook.Steps(target)...)
		}
		return report, nil, nil
	case in.options.DryRun && !same:
		report.State = dnsPlanned
	}
	return report, edits, nil
}

// pointEdits are the edits that enter the zone into the right places, and take it out
// of all others. same is true where it is so already.
func pointEdits(facts clusterdns.Facts, hooks []clusterdns.Hook, target clusterdns.Target) (edits []apply.Edit, same bool, err error) {
	same = true
	add := func(change clusterdns.Change, err error) error {
		if err != nil {
			return err
		}
		same = same && change.Same
		one, err := editOf(facts, change)
		edits = append(edits, one)
		return err
	}
	for _, place := range clusterdns.Places(facts) {
		if slices.ContainsFunc(hooks, func(hook clusterdns.Hook) bool { return hook.Place == place.Place }) {
			continue
		}
		change, err := place.Restore(target)
		if err != nil {
			return nil, false, err
		}
		if change.Same {
			continue // never ours, and nobody wants to read of it
		}
		if err := add(change, nil); err != nil {
			return nil, false, err
		}
	}
	for _, hook := range hooks {
		if err := add(hook.Point(target)); err != nil {
			return nil, false, err
		}
	}
	return edits, same, nil
}

func editOf(facts clusterdns.Facts, change clusterdns.Change) (apply.Edit, error) {
	if change.Operator != nil {
		return apply.Edit{Before: facts.Operator, After: change.Operator}, nil
	}
	before, err := object(facts.ConfigMaps[change.ConfigMap.Name])
	if err != nil {
		return apply.Edit{}, err
	}
	after, err := object(change.ConfigMap)
	return apply.Edit{Before: before, After: after, Delete: change.Delete && !change.Same}, err
}

// restoreDNS takes out of a member's own DNS what was entered into it. What somebody
// edited since stays, and is named with what to do about it; so is what cannot be read.
func (in *Installer) restoreDNS(ctx context.Context, s *site) error {
	for race := 1; ; race++ {
		facts, err := s.dnsFacts(ctx)
		if apierrors.IsForbidden(err) {
			in.tell(Event{Cluster: s.name(), Step: dnsStep, State: Note, Text: "whether the cluster's DNS is pointed at the agent was not seen: " + err.Error()})
			return nil
		}
		if err != nil {
			return err
		}
		edits, conflicts, err := restoreEdits(facts)
		if err != nil {
			return err
		}
		_, err = in.carryOut(ctx, s, apply.EditPlan(dnsStep, edits...))
		if err != nil && apply.Raced(err) && race < maxRaces {
			continue
		}
		for _, conflict := range conflicts {
			in.fail(problem.New(problem.Cluster, "DNSNotRestored", "%s", conflict.Error()).On(s.name()).WithFix("%s", conflict.Fix))
		}
		return err
	}
}

func restoreEdits(facts clusterdns.Facts) (edits []apply.Edit, conflicts []*clusterdns.Conflict, err error) {
	for _, place := range clusterdns.Places(facts) {
		change, err := place.Restore(clusterdns.Target{Zone: clusterZone})
		var conflict *clusterdns.Conflict
		switch {
		case errors.As(err, &conflict):
			conflicts = append(conflicts, conflict)
			continue
		case err != nil:
			return nil, nil, err
		case change.Same:
			continue
		}
		one, err := editOf(facts, change)
		if err != nil {
			return nil, nil, err
		}
		edits = append(edits, one)
	}
	return edits, conflicts, nil
}
