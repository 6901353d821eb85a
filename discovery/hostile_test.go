package discovery

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/resolve"
)

// TestGatewaysOfSomebodyElse is H05: a member that names an address where another one's
// gateway is has none at all, be it an IP address or what its name stands for. Its
// neighbour is one address of several, of a member that declared nothing itself.
func TestGatewaysOfSomebodyElse(t *testing.T) {
	t.Parallel()
	victims := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	at := func(host string) model.HostPort { return model.HostPort{Host: host, Port: 15443} }
	for name, tc := range map[string]struct {
		says     []model.HostPort
		declared []netip.Prefix
		want     []model.HostPort
		reason   string
	}{
		"an address of its own":            {says: []model.HostPort{at("198.51.100.1")}, want: []model.HostPort{at("198.51.100.1")}},
		"the victim's address":             {says: []model.HostPort{at("192.0.2.1")}, reason: resolve.Denied},
		"the victim's address and port":    {says: []model.HostPort{{Host: "192.0.2.1", Port: 443}}, reason: resolve.Denied},
		"the victim's name":                {says: []model.HostPort{named}, reason: resolve.Denied},
		"its own address and the victim's": {says: []model.HostPort{at("198.51.100.1"), at("192.0.2.1")}, reason: resolve.Denied},
		"a name, and CIDRs of its own":     {says: []model.HostPort{named}, declared: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, reason: resolve.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStart()
			s.book = &book{answers: good}
			victim, evil := shardOf("north", model.Ready, at("192.0.2.1")), shardOf("west", model.Ready, tc.says...)
			victim.Member.GatewayCIDRs, evil.Member.GatewayCIDRs = victims, tc.declared
			victim.Member.Network = "north"
			for _, one := range []*model.Shard{victim, evil} {
				s.memory.Offer(one, []model.ServiceKey{cart})
			}
			s.offer("east", model.Ready)
			state := s.State()
			if state == nil {
				t.Fatal("there is no view")
			}
			if diff := cmp.Diff(tc.want, state.View.Members["west"].Gateways); diff != "" {
				t.Errorf("west (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff([]model.HostPort{at("192.0.2.1")}, state.View.Members["north"].Gateways); diff != "" {
				t.Errorf("north (-want +got)\n%s", diff)
			}
			reason := ""
			for _, one := range state.Problems {
				if one.Member == "west" && one.Service == (model.ServiceKey{}) {
					reason += string(one.Reason)
				}
			}
			if reason != tc.reason {
				t.Errorf("problems %+v, want %q", state.Problems, tc.reason)
			}
		})
	}
}
