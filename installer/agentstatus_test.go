package installer

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

// TestWhatAnAgentSaysOfALink, and where that is worth nothing.
func TestWhatAnAgentSaysOfALink(t *testing.T) {
	t.Parallel()
	whole := facts.Member{State: "ready", Code: "OK", Reached: facts.Reached{Status: "True", Hop: "answer", RTT: 1500 * time.Microsecond, Message: "it answers"}}
	broken := facts.Member{
		State: "ready", Code: "ERROR", Description: "its gateway is not reached: tcp: timeout; fix: open the way",
		Reached: facts.Reached{Status: "False", Hop: "tcp", Message: "tcp: timeout"},
	}
	untried := facts.Member{State: "ready", Code: "OK"}
	runs := facts.Deployment{Found: true, Wanted: 2, Ready: 1}
	for name, tc := range map[string]struct {
		agent  facts.Deployment
		member *facts.Member
		want   *AgentStatus
		state  string
	}{
		"there is none":          {facts.Deployment{}, &whole, nil, stateSynced},
		"the way is whole":       {runs, &whole, &AgentStatus{State: "ready", Code: "OK", Reached: "True", Hop: "answer", RTTMilliseconds: 1.5, Message: "it answers"}, stateSynced},
		"the way is broken":      {runs, &broken, &AgentStatus{State: "ready", Code: "ERROR", Reached: "False", Hop: "tcp", Message: "tcp: timeout"}, stateNotReached},
		"one network":            {runs, &untried, &AgentStatus{State: "ready", Code: "OK", Reached: "Unknown", Message: "the agent has not tried the way, or both are on one network"}, stateSynced},
		"it says nothing":        {runs, nil, &AgentStatus{Reached: "Unknown", Message: "the agent says nothing of west"}, stateSynced},
		"it does not run by now": {facts.Deployment{Found: true, Wanted: 2}, &broken, &AgentStatus{State: "ready", Code: "ERROR", Reached: "Unknown", Message: "no replica of the agent is ready"}, stateSynced},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read := facts.Cluster{Agent: tc.agent, Members: map[string]facts.Member{}}
			if tc.member != nil {
				read.Members["west"] = *tc.member
			}
			link := LinkStatus{Consumer: "east", Producer: "west", State: stateSynced, Agent: agentStatus(read, "west")}
			if diff := cmp.Diff(tc.want, link.Agent); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			link.judgeWay(read.Members["west"])
			if link.State != tc.state {
				t.Errorf("state is %s, want %s", link.State, tc.state)
			}
			if tc.state != stateNotReached {
				return
			}
			err := (&Status{Links: []LinkStatus{link}}).err()
			if link.Fix != "open the way" || err == nil || !strings.Contains(err.Error(), "the way to west: not-reached: tcp: timeout") {
				t.Errorf("fix %q, error %v", link.Fix, err)
			}
		})
	}
}

// TestALinkWithoutDiscoveryKeepsItsState: what is worse comes first.
func TestALinkWithoutDiscoveryKeepsItsState(t *testing.T) {
	t.Parallel()
	link := LinkStatus{State: stateMissing, Agent: &AgentStatus{Reached: reachedNot}}
	if link.judgeWay(facts.Member{}); link.State != stateMissing {
		t.Errorf("state is %s", link.State)
	}
}
