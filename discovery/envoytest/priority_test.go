//go:build envoy

package envoytest

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestTheOtherMemberComesSecond where near endpoints are preferred, or where the
// other member is demoted: it gets nothing while there is a pod here, and everything
// when there is none.
func TestTheOtherMemberComesSecond(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(*pair){
		"near endpoints are preferred": func(p *pair) { p.agents[c1].set(func(a *agent) { a.prefer = "own,region" }) },
		"the other member is demoted": func(p *pair) {
			demoted := *p.members[c2]
			demoted.Demoted = true
			p.members[c2] = &demoted
			p.publish()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, database)
			await(t, "both pods answer", patience, func() error { return missing(shares(20, p.connect), p.local, p.remote) })
			second(p)
			all := func(to *pod) func() error { return func() error { return missing(shares(40, p.connect), to) } }
			await(t, "all goes to the own member", patience, all(p.local))
			p.export("shared", database, map[model.MemberName][]string{c1: nil, c2: {p.remote.address}})
			p.publish()
			await(t, "all goes to the other member", patience, all(p.remote))
		})
	}
}
