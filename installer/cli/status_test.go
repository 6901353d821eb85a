package cli

import (
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/installer"
)

// TestHowFarAWayIsShown: people see the hop and the time, and that there is no agent.
func TestHowFarAWayIsShown(t *testing.T) {
	t.Parallel()
	for want, agent := range map[string]*installer.AgentStatus{
		"no agent":      nil,
		"answer 12.3ms": {Reached: "True", Hop: "answer", RTTMilliseconds: 12.34},
		"tcp only":      {Reached: "True", Hop: "tcp"},
		"broken at tls": {Reached: "False", Hop: "tls"},
		"unknown":       {Reached: "Unknown"},
	} {
		status := &installer.Status{
			Members: []installer.MemberStatus{{Name: "east", ClusterID: "e", Region: "eu", Agent: "2/2"}},
			Links:   []installer.LinkStatus{{Consumer: "east", Producer: "west", State: "synced", Agent: agent}},
		}
		var out strings.Builder
		if err := printStatus(&out, status); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); !strings.Contains(text, "synced  "+want+"  ") || !strings.Contains(text, "eu      -         -      2/2") {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
}
