package chain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func TestWhatAConsumerLearns(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"the derived name does not resolve": {
			func(l *chain.Link) { l.Answer.Exit = traffic.ExitName }, verdict{"name-resolves", "east", false},
		},
		"the ServiceExport is gone": {
			func(l *chain.Link) { l.Producer.Facts.Exports = nil; unknown(l) }, verdict{"export-present", "west", true},
		},
		"the ServiceExport is not valid": {
			func(l *chain.Link) {
				l.Producer.Facts.Exports["link-west"] = facts.Export{Invalid: "NoService: x"}
				unknown(l)
			}, verdict{"export-valid", "west", false},
		},
		"the agent was scaled down": {
			func(l *chain.Link) { l.Consumer.Facts.Agent.Wanted, l.Consumer.Facts.Agent.Ready = 0, 0; unknown(l) }, verdict{"agent-running", "east", true},
		},
		"no replica of the agent is ready": {
			func(l *chain.Link) { l.Consumer.Facts.Agent.Ready = 0; unknown(l) }, verdict{"agent-running", "east", false},
		},
		"there is no agent": {
			func(l *chain.Link) { l.Consumer.Facts.Agent = facts.Deployment{}; unknown(l) }, verdict{"agent-running", "east", true},
		},
		"there is no record of the producer": {
			func(l *chain.Link) { l.Consumer.Facts.Records = nil; unknown(l) }, verdict{"agent-record", "east", true},
		},
		"the record is not readable": {
			func(l *chain.Link) { l.Consumer.Facts.Records[0].Invalid = "no kubeconfig"; unknown(l) }, verdict{"agent-record", "east", true},
		},
		"the credential is revoked": {
			func(l *chain.Link) { l.Credential.Status = 401; unknown(l) }, verdict{"agent-credential", "east", true},
		},
		"the credential lost its rights": {
			func(l *chain.Link) { l.Credential.Status = 403; unknown(l) }, verdict{"agent-credential", "east", true},
		},
		"the API server cannot be dialled": {
			func(l *chain.Link) { l.Credential.Dial = &timeout; unknown(l) }, verdict{"agent-api", "east", true},
		},
		"the agent has the producer quarantined": {
			func(l *chain.Link) {
				l.Consumer.Facts.Members = map[string]facts.Member{"west": {State: "quarantined", Code: "ERROR", Description: "another UID"}}
				unknown(l)
			}, verdict{"agent-member", "east", false},
		},
		"the producer's agent does not run": {
			func(l *chain.Link) { l.Producer.Facts.Agent.Ready = 0; l.Inbound.Known = false }, verdict{"agent-producer", "west", false},
		},
		"an agent that is down does not explain a link that it delivered": {
			func(l *chain.Link) { l.Consumer.Facts.Agent.Ready = 0; l.Dials[gatewayAt] = timeout }, verdict{"gateway-tcp", "west", true},
		},
	})
}

func TestTheConsumersOwnSide(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"no derived Service": {unknown, verdict{"derived-service", "east", false}},
		"nothing behind the derived Service": {
			func(l *chain.Link) {
				d := l.Consumer.Facts.Derived["link-west"]
				d.Endpoints = nil
				l.Consumer.Facts.Derived["link-west"] = d
			}, verdict{"derived-endpoints", "east", false},
		},
		"nothing behind the derived Service, as the gateway is gone": {
			func(l *chain.Link) {
				d := l.Consumer.Facts.Derived["link-west"]
				d.Endpoints = nil
				l.Consumer.Facts.Derived["link-west"] = d
				l.Consumer.Facts.Gateway.Pods, l.Egress = nil, chain.Egress{}
			}, verdict{"egress-pods", "east", true},
		},
		"the own gateway is not ready": {
			func(l *chain.Link) { l.Consumer.Facts.Gateway.Pods[0].Ready = false; l.Egress = chain.Egress{} }, verdict{"egress-pods", "east", false},
		},
		"there is no own gateway": {
			func(l *chain.Link) { l.Consumer.Facts.Gateway = nil; l.Egress = chain.Egress{} }, verdict{"egress-pods", "east", true},
		},
		"the own gateway lost its agent": {
			func(l *chain.Link) { l.Egress.Connected, l.Egress.Known, l.Egress.Hosts = false, false, nil }, verdict{"egress-connected", "east", false},
		},
		"the own gateway has no listener": {
			func(l *chain.Link) { l.Egress.Listens = false }, verdict{"egress-listener", "east", false},
		},
		"the own gateway has no endpoint": {
			func(l *chain.Link) { l.Egress.Hosts, l.Egress.Peers = nil, nil }, verdict{"egress-endpoints", "east", false},
		},
		"one network name for two networks": {
			func(l *chain.Link) { direct(l); l.Answer = timeout }, verdict{"derived-pods", "west", false},
		},
	})
}

func TestALinkToItselfTakesNoGateway(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"whatever is wrong with gateways and records": {
			func(l *chain.Link) {
				direct(l)
				l.Consumer.Name, l.Consumer.Facts.Records, l.Consumer.Facts.Gateway = "west", nil, nil
			}, verdict{"producer-answers", "west", false},
		},
	})
}

func TestWhatCouldNotBeReadIsNotHeldAgainstIt(t *testing.T) {
	t.Parallel()
	// The zero value of Cluster with every part unread is what a reader makes of
	// a cluster that turns everything down.
	run(t, map[string]breakage{
		"no gateway could be asked": {
			func(l *chain.Link) { l.Egress, l.Inbound, l.Dials = chain.Egress{}, chain.Inbound{}, nil }, verdict{"producer-answers", "west", false},
		},
	})
}

func TestStanding(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*chain.Link)
		want   []string
	}{
		"all is well":        {func(*chain.Link) {}, nil},
		"agent down":         {func(l *chain.Link) { l.Consumer.Facts.Agent.Ready = 0 }, []string{"agent-running"}},
		"token revoked":      {func(l *chain.Link) { l.Credential.Status = 401 }, []string{"agent-credential"}},
		"API server cut off": {func(l *chain.Link) { l.Credential.Dial = &timeout }, []string{"agent-api"}},
		"no record":          {func(l *chain.Link) { l.Consumer.Facts.Records = nil }, []string{"agent-record"}},
		"the producer's own agent is told by its own row": {func(l *chain.Link) { l.Producer.Facts.Agent.Ready = 0; l.Inbound = chain.Inbound{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := link()
			l.Works = true
			c.change(&l)
			var got []string
			for _, v := range chain.Standing(l) {
				got = append(got, v.ID)
				if !slices.ContainsFunc(v.Evidence, func(e string) bool { return strings.Contains(e, "traffic still works") }) {
					t.Errorf("%s does not say that traffic still works: %v", v.ID, v.Evidence)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChecksAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range chain.Checks() {
		if seen[c.ID] || c.Claim == "" || c.Hint == "" || c.Hop == "" || c.Test == nil {
			t.Errorf("check %q is named twice or says too little", c.ID)
		}
		seen[c.ID] = true
	}
}
