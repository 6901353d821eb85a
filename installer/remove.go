package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Leave takes one member out of the mesh: the credentials that lead to it and
// from it go everywhere, its gateway and exposure go in it. Members that do not
// answer keep their leftovers, which are listed.
func (in *Installer) Leave(ctx context.Context, name string) error {
	in.each(ctx, "leave", func(ctx context.Context, s *site) error {
		if s.name() == name {
			if err := in.restoreDNS(ctx, s); err != nil {
				return err
			}
			if err := in.removeSets(ctx, s, func(set string) bool { return set != trustSet }); err != nil {
				return err
			}
			return in.unlabel(ctx, s)
		}
		return in.removeSets(ctx, s, func(set string) bool {
			return slices.Contains([]string{
				peer.AccountSet(name), peer.RemoteSet(name), peer.AgentAccountSet(name), peer.MemberSet(name),
			}, set)
		})
	})
	in.listLeftovers(name)
	return nil
}

// listLeftovers says what stays in members that could not be reached.
func (in *Installer) listLeftovers(leaving string) {
	for _, s := range in.sites {
		if s.alive() {
			continue
		}
		what := "its account " + peer.AccountSet(leaving) + " and remote secret for " + leaving
		if s.name() == leaving {
			what = "its gateway, exposure, accounts and remote secrets"
		}
		in.tell(Event{Cluster: s.name(), Step: "leave", State: Note, Text: "left behind: " + what + "; run this again when it answers"})
	}
}

// Down removes all that eastwest made from every member. cacerts stays unless
// purgeTrust.
func (in *Installer) Down(ctx context.Context, purgeTrust bool) error {
	in.each(ctx, "down", func(ctx context.Context, s *site) error {
		purged := false
		if err := in.restoreDNS(ctx, s); err != nil {
			return err
		}
		err := in.removeSets(ctx, s, func(set string) bool {
			if set == trustSet {
				purged = purgeTrust
				return purgeTrust
			}
			return true
		})
		if err != nil {
			return err
		}
		if err := in.unlabel(ctx, s); err != nil || !purged || in.options.DryRun || len(s.facts.ControlPlanes) == 0 {
			return err
		}
		return in.backToOwnCA(ctx, s)
	})
	return nil
}

// unlabel takes back the network label of istiod's namespace if it was ours.
func (in *Installer) unlabel(ctx context.Context, s *site) error {
	plan, err := s.applier.UnlabelNamespace(ctx, s.member.IstioNamespace)
	if err != nil {
		return err
	}
	_, err = in.carryOut(ctx, s, plan)
	return err
}

// removeSets deletes the sets of ours that are chosen, and our namespace with
// the last of them. Credentials go first, what serves traffic last.
func (in *Installer) removeSets(ctx context.Context, s *site, chosen func(set string) bool) error {
	names, err := s.applier.Sets(ctx)
	if err != nil {
		return err
	}
	for _, name := range removalOrder(names) {
		if !chosen(name) {
			continue
		}
		plan, err := s.applier.Remove(ctx, name)
		if err != nil {
			return err
		}
		if name == crdSet {
			if user, err := s.typesInUse(ctx); err != nil || user != "" {
				in.tell(Event{Cluster: s.name(), Step: crdSet, State: Note, Text: "left behind, as they are used: the types, by " + user})
				if err != nil {
					return err
				}
				continue
			}
		}
		if _, err := in.carryOut(ctx, s, plan); err != nil {
			return err
		}
		if name == agentSet {
			if err := in.removeAgentsWork(ctx, s); err != nil {
				return err
			}
		}
	}
	if in.options.DryRun {
		return nil
	}
	if err := in.sweep(ctx, s, true); err != nil {
		return err
	}
	plan, err := s.applier.EmptyNamespace(ctx)
	if err != nil {
		return err
	}
	_, err = in.carryOut(ctx, s, plan)
	return err
}

// removalOrder puts credentials before agent, exposure, gateway and trust, so that
// nobody is sent to a gateway that is going, and types last.
func removalOrder(names []string) []string {
	rank := func(name string) int {
		for _, prefix := range []string{"remote-", "account-", "member-", "agent-account-"} {
			if strings.HasPrefix(name, prefix) {
				return 0
			}
		}
		if name == crdSet {
			return 2
		}
		return 1
	}
	ordered := slices.Clone(names)
	slices.SortStableFunc(ordered, func(a, b string) int { return rank(a) - rank(b) })
	return ordered
}

// backToOwnCA restarts istiod, which then signs with the CA it made for itself,
// and with consent everything that holds certificates of the removed one.
func (in *Installer) backToOwnCA(ctx context.Context, s *site) error {
	purged := s.facts.Trust.RootPEM
	other := func(published []byte) bool { return len(published) > 0 && !sameCertificates(published, purged) }
	if err := in.restartIstiods(ctx, s, other); err != nil {
		return err
	}
	workloads, loose, err := apply.InjectedWorkloads(ctx, s.member.Kube)
	if err != nil {
		return err
	}
	if len(workloads) == 0 && len(loose) == 0 {
		return nil
	}
	if err := in.consentToRestart(s, workloads, loose); err != nil {
		return problem.New(problem.Cluster, "RestartNeeded", "workloads still hold certificates of the removed CA: %s", fmt.Sprint(workloads)).
			On(s.name()).WithFix("restart them, or run this again with --restart-workloads")
	}
	return s.applier.Restart(ctx, workloads)
}
