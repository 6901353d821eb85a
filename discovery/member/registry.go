package member

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
)

// registry turns the bundles of a source, always all of them, into events. It is
// used by one goroutine.
type registry struct {
	options  Options
	policy   kubeconfig.Policy
	joined   map[model.MemberName]joined
	problems []Problem
}

// joined is a member in use and the entry that it came from.
type joined struct {
	Member
	digest [sha256.Size]byte
}

func newRegistry(options Options) *registry {
	if options.Most == 0 {
		options.Most = DefaultMost
	}
	return &registry{
		options: options, policy: kubeconfig.Agent(options.Proxies...), joined: map[model.MemberName]joined{},
	}
}

// update compares bundles with what is in use and tells of the difference.
func (r *registry) update(bundles []bundle) {
	accepted, problems := r.accept(r.ordered(bundles))
	for _, name := range slices.Sorted(maps.Keys(r.joined)) {
		if next, found := accepted[name]; !found || !sameCluster(r.joined[name], next) {
			delete(r.joined, name)
			r.options.Events.Leave(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(accepted)) {
		next := accepted[name]
		last, found := r.joined[name]
		r.joined[name] = next
		switch {
		case !found:
			r.options.Events.Join(next.Member)
		case last.digest != next.digest:
			r.options.Events.Replace(next.Member)
		}
	}
	if !slices.Equal(r.problems, problems) {
		r.problems = problems
		r.options.Events.Problems(slices.Clone(problems))
	}
}

// sameCluster reports whether two members of one name are one cluster, so that
// the second can replace the first.
func sameCluster(last, next joined) bool {
	return last.Record.ClusterID == next.Record.ClusterID &&
		(last.Record.UID == next.Record.UID || last.Record.UID == "" || next.Record.UID == "")
}

// ordered lists all entries: those in use first, so that they keep what they
// hold, then by name and origin.
func (r *registry) ordered(bundles []bundle) []entry {
	var all []entry
	for _, one := range bundles {
		all = append(all, one.entries()...)
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(r.rank(a), r.rank(b)), cmp.Compare(a.name, b.name), strings.Compare(a.origin, b.origin))
	})
	return all
}

func (r *registry) rank(e entry) int {
	if last, found := r.joined[e.name]; found && last.Origin == e.origin {
		return 0
	}
	return 1
}

// accept decides which entries are in use.
func (r *registry) accept(all []entry) (map[model.MemberName]joined, []Problem) {
	accepted, present := map[model.MemberName]joined{}, map[model.MemberName]joined{}
	for _, one := range all {
		if r.rank(one) == 0 {
			present[one.name] = r.joined[one.name]
		}
	}
	var problems []Problem
	for _, one := range all {
		next, wrong := r.judge(one, accepted, present)
		if wrong != nil {
			problems = append(problems, *wrong)
		}
		if next != nil {
			accepted[one.name] = *next
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), strings.Compare(a.Origin, b.Origin), strings.Compare(a.Reason, b.Reason))
	})
	return accepted, problems
}

// judge returns what is in use of an entry: itself, its last good version, or
// nothing. Accepted were judged before it, present are in use and will stay.
func (r *registry) judge(e entry, accepted, present map[model.MemberName]joined) (*joined, *Problem) {
	last, found := r.joined[e.name]
	found = found && last.Origin == e.origin
	if found && last.digest == e.digest && e.broken == "" {
		return &last, nil
	}
	keep := func(wrong *Problem) (*joined, *Problem) {
		if found {
			return &last, wrong
		}
		return nil, wrong
	}
	if _, taken := accepted[e.name]; taken {
		return nil, e.problem(ReasonDuplicate, "member "+string(e.name)+" is already described by "+accepted[e.name].Origin)
	}
	if !found && len(accepted) >= r.options.Most {
		return nil, e.problem(ReasonTooMany, fmt.Sprintf("there are %d members already", r.options.Most))
	}
	next, wrong := e.parse(r.policy)
	if wrong != nil {
		return keep(wrong)
	}
	if reason, text := r.clash(&next.Record, accepted, present); reason != "" {
		return keep(e.problem(reason, text))
	}
	return &joined{next, e.digest}, nil
}

// clash compares a record with our own cluster, and with every member that is in
// use or was accepted before it.
func (r *registry) clash(record *v1alpha1.MemberRecord, accepted, present map[model.MemberName]joined) (reason, text string) {
	if text := duplicate(record, &r.options.Own); text != "" {
		return ReasonDuplicate, text
	}
	others := maps.Clone(present)
	maps.Copy(others, accepted)
	delete(others, model.MemberName(record.Name))
	for _, name := range slices.Sorted(maps.Keys(others)) {
		other := others[name].Record
		if text := duplicate(record, &other); text != "" {
			return ReasonDuplicate, text
		}
		if text := overlap(&other, record); text != "" {
			return ReasonOverlap, text
		}
	}
	if text := overlap(&r.options.Own, record); text != "" {
		return ReasonOverlap, text
	}
	return "", ""
}

// duplicate says what of another member's identity a record claims.
func duplicate(record, other *v1alpha1.MemberRecord) string {
	switch {
	case record.Name == other.Name:
		return fmt.Sprintf("it has the name of member %s", other.Name)
	case record.UID != "" && record.UID == other.UID:
		return fmt.Sprintf("it has the UID of member %s: both are the same cluster", other.Name)
	case record.ClusterID == other.ClusterID:
		return fmt.Sprintf("it has the cluster ID of member %s", other.Name)
	}
	return ""
}
