package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// across is a member on another network whose gateway answers.
func across() Member {
	m := west()
	m.Feature = Feature{Across: true, Networks: []string{"net-east", "net-west"}}
	m.Link = &Link{OK: true, Hop: "admission"}
	return m
}

// home is the agent's own cluster.
func home() Member {
	m := west()
	m.Own, m.Expires = true, time.Time{}
	return m
}

var (
	gke    = v1alpha1.ForeignDialect{Group: v1alpha1.MCSGKE, Owner: "GKE"}
	cilium = v1alpha1.ForeignDialect{Group: v1alpha1.MCSUpstream, Owner: "Cilium"}
)

// TestFeatureState is the whole table of states, as people read it.
func TestFeatureState(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	for _, tc := range []struct {
		name   string
		from   func() Member
		change func(*Member)
	}{
		{"one network, all is well", west, func(*Member) {}},
		{"several networks, its gateway answers", across, func(*Member) {}},
		{"the own cluster", home, func(*Member) {}},
		{"it is being listed", west, func(m *Member) { m.State = model.Joining }},
		{"its gateway was not tried", across, func(m *Member) { m.Link = nil }},
		{"its gateway is cut off", across, func(m *Member) { m.Link = &Link{Hop: "tcp", Message: "timeout"} }},
		{"its gateway has no address", across, func(m *Member) { m.Links = []Problem{{Reason: "GatewayMissing", Message: "none"}} }},
		{"its gateway's name is not known just now", across, func(m *Member) { m.Links = []Problem{{Reason: "GatewayUnresolved", Message: "as it was"}} }},
		{"it leaves", west, func(m *Member) { m.State = model.Leaving }},
		{"its API was lost", west, func(m *Member) { m.State, m.Faults = model.Degraded, fault("Unreachable") }},
		{"it was never reached", west, func(m *Member) { m.State, m.Faults = model.Joining, fault("Unreachable") }},
		{"another cluster answers", west, func(m *Member) { m.State, m.Faults = model.Quarantined, fault("IdentityChanged") }},
		{"no record of it is used", west, func(m *Member) {
			*m = Member{Name: "west", Records: []Problem{{About: "Secret ns/member-west", Reason: "KubeconfigExec", Message: "exec"}}}
		}},
		{"its credential is refused", west, func(m *Member) { m.State, m.Faults = model.Degraded, fault("Unauthorized") }},
		{"a right is missing in it", west, func(m *Member) {
			m.State, m.Faults = model.Degraded, []Fault{{Resource: "serviceexports", Reason: "Forbidden", Since: since}}
		}},
		{"its credential has ended", west, func(m *Member) { m.Expires = now }},
		{"it is off", home, func(m *Member) { m.Feature.Off = true }},
		{"no type is there", home, func(m *Member) { m.Feature.Unserved = []string{v1alpha1.MCSUpstream, v1alpha1.MCSGKE} }},
		{"one type is not there", home, func(m *Member) { m.Feature.Unserved = []string{v1alpha1.MCSGKE} }},
		{"writes are refused", home, func(m *Member) { m.Feature.Denied = "apply ServiceImport shop/web: forbidden" }},
		{"GKE owns one dialect", home, func(m *Member) { m.Feature.Foreign = []v1alpha1.ForeignDialect{gke} }},
		{"others own both dialects", home, func(m *Member) { m.Feature.Foreign = []v1alpha1.ForeignDialect{gke, cilium} }},
		{"others own one dialect, the other is not there", home, func(m *Member) {
			m.Feature.Foreign, m.Feature.Unserved = []v1alpha1.ForeignDialect{cilium}, []string{v1alpha1.MCSGKE}
		}},
		{"it is in another set", home, func(m *Member) { m.Feature.Clusterset = "other" }},
	} {
		m := tc.from()
		tc.change(&m)
		got := services(m, nil, now)
		fmt.Fprintf(&page, "%s\n  %s %s\n", tc.name, got.Code, got.Description)
	}
	golden.Check(t, "testdata/feature.txt", []byte(page.String()))
}

// TestTheTimeOfAStateIsThatOfItsBeginning: it moves with the state alone.
func TestTheTimeOfAStateIsThatOfItsBeginning(t *testing.T) {
	t.Parallel()
	at, m := now, west()
	var last *v1alpha1.MemberServices
	step := func(want string, moves bool, change func()) {
		t.Helper()
		change()
		at = at.Add(time.Minute)
		next := services(m, last, at)
		if got := next.Code + " " + next.Description; !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if moved := last == nil || !next.UpdateTime.Equal(&last.UpdateTime); moved != moves {
			t.Errorf("%s: the time moved: %v, want %v", want, moved, moves)
		}
		last = next
	}
	step("WARNING Firewall creation pending: it is being listed", true, func() { m.State = model.Joining })
	step("WARNING Firewall creation pending", false, func() {})
	step("OK Firewall successfully created", true, func() { m.State = model.Ready })
	step("OK Firewall successfully created", false, func() { m.Services, m.Feature.Warnings = 9, []string{"large"} })
	step("ERROR GKE Cluster missing: Unreachable", true, func() { m.State, m.Faults = model.Degraded, fault("Unreachable") })
	step("ERROR GKE Cluster missing: Unreachable", false, func() { m.State, m.Faults[0].Message = model.Stale, "another text" })
	step("OK Firewall successfully updated", true, func() { m.State, m.Faults = model.Ready, nil })
	step("OK Firewall successfully updated", false, func() {})
}
