package installer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

// AgentStatus is what the agent of a consumer says of a producer.
type AgentStatus struct {
	// State and Code are those of the MemberCluster.
	State string `json:"state,omitempty"`
	Code  string `json:"code,omitempty"`
	// Reached is True, False, or Unknown where nobody says.
	Reached string `json:"reached"`
	// Hop is the first broken one, or the last that was proved.
	Hop string `json:"hop,omitempty"`
	// RTTMilliseconds is how long a question and its answer took; absent where none
	// was answered.
	RTTMilliseconds float64 `json:"rttMilliseconds,omitempty"`
	Message         string  `json:"message,omitempty"`
}

// Values of AgentStatus.Reached.
const (
	reachedNot     = "False"
	reachedUnknown = "Unknown"
)

// noAgent is shown of a member where there is none.
const noAgent = "none"

// agents is what the living members' agents say.
func (in *Installer) agents(ctx context.Context) map[string]facts.Cluster {
	var mu sync.Mutex // guards all
	all := map[string]facts.Cluster{}
	in.each(ctx, "agents", func(ctx context.Context, s *site) error {
		read, err := facts.Reader{Kube: s.member.Kube, Dynamic: s.member.Dynamic}.ReadAgent(ctx)
		if err != nil {
			in.tell(Event{Cluster: s.name(), Step: "agents", State: Note, Text: fmt.Sprintf("could not read what its agent says: %v", err)})
		}
		mu.Lock()
		defer mu.Unlock()
		all[s.name()] = read
		return nil
	})
	return all
}

// agentText says how many replicas of an agent are ready.
func agentText(agent facts.Deployment) string {
	if !agent.Found {
		return noAgent
	}
	return fmt.Sprintf("%d/%d", agent.Ready, agent.Wanted)
}

// agentStatus is what a consumer's agent says of a producer; nil where the consumer
// has none. What an agent said that does not run is out of date.
func agentStatus(read facts.Cluster, producer string) *AgentStatus {
	if !read.Agent.Found {
		return nil
	}
	seen, says := read.Members[producer]
	out := &AgentStatus{State: seen.State, Code: seen.Code, Reached: reachedUnknown}
	switch reached := seen.Reached; {
	case read.Agent.Ready == 0:
		out.Message = "no replica of the agent is ready"
	case !says:
		out.Message = "the agent says nothing of " + producer
	case reached.Status == "":
		out.Message = "the agent has not tried the way, or both are on one network"
	default:
		out.Reached, out.Hop, out.Message = reached.Status, reached.Hop, reached.Message
		out.RTTMilliseconds = float64(reached.RTT) / float64(time.Millisecond)
	}
	return out
}

// judgeWay makes a link whose discovery is in order one that is not, where the
// consumer's agent does not reach the producer's gateway.
func (s *LinkStatus) judgeWay(producer facts.Member) {
	if s.State != stateSynced || s.Agent == nil || s.Agent.Reached != reachedNot {
		return
	}
	s.State, s.Detail = stateNotReached, s.Agent.Message
	_, s.Fix, _ = strings.Cut(producer.Description, v1alpha1.DescriptionFix)
}
