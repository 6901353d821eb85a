package chain

import (
	"fmt"
	"net/http"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func nameChecks() []Check {
	return []Check{{
		ID: "name-resolves", Hop: HopName, Test: testResolves,
		Claim: "the derived Service's name resolves in the consumer",
		Hint:  "DNS of the consumer's cluster",
	}}
}

func testResolves(l Link) *Broken {
	d, found := l.derived()
	if !found || l.Answer.Exit != traffic.ExitName {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Service " + d.String(),
		Seen: fmt.Sprintf("%s does not resolve in a pod of %s", d.Host(), l.Consumer.Name),
		Fix:  "see that DNS works in pods of the cluster: kubectl -n kube-system get pods -l k8s-app=kube-dns",
	}
}

func exportChecks() []Check {
	return []Check{
		{
			ID: "export-present", Hop: HopExport, Test: testExport,
			Claim: "the producer exports the service",
			Hint:  "kubectl get serviceexports -A",
		},
		{
			ID: "export-valid", Hop: HopExport, Test: testExportValid,
			Claim: "the ServiceExport is valid",
			Hint:  "its condition Valid",
		},
	}
}

func testExport(l Link) *Broken {
	if _, found := l.Producer.Facts.Exports[l.Service]; found || !l.Producer.Facts.Knows(facts.PartExports) {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "ServiceExport " + l.Namespace + "/" + l.Service, Final: true,
		Seen: fmt.Sprintf("%s has no ServiceExport of %s", l.Producer.Name, l.Service),
		Fix:  "see who deletes ServiceExports in " + l.Producer.Name + ": this run made one",
	}
}

func testExportValid(l Link) *Broken {
	e := l.Producer.Facts.Exports[l.Service]
	if e.Invalid == "" {
		return nil
	}
	return &Broken{
		Cluster: l.Producer.Name, Object: "ServiceExport " + l.Namespace + "/" + l.Service,
		Seen: "the ServiceExport is not valid: " + e.Invalid,
		Fix:  "mend what its condition Valid says",
	}
}

// producersAgent is the one agent check that is about the producer.
const producersAgent = "agent-producer"

func agentChecks() []Check {
	return []Check{
		{
			ID: "agent-running", Hop: HopAgent, Test: testAgent,
			Claim: "the consumer's agent runs",
			Hint:  "without it gateways go on with what they know, and nothing new is learnt",
		},
		{
			ID: "agent-record", Hop: HopAgent, Test: testRecord,
			Claim: "the consumer has a usable record of the producer",
			Hint:  "kubectl -n eastwest-system get secret -l eastwest.dev/member=true",
		},
		{
			ID: "agent-credential", Hop: HopAgent, Test: testCredential,
			Claim: "the producer's API server accepts the credential in the record",
			Hint:  "an agent goes on with what it knows; then it learns nothing new",
		},
		{
			ID: "agent-api", Hop: HopAgent, Test: testAPI,
			Claim: "the API address in the record answers from the consumer",
			Hint:  "the address must be one that pods of the consumer can dial, not the administrator's",
		},
		{
			ID: "agent-member", Hop: HopAgent, Test: testMember,
			Claim: "the consumer's agent has the producer in order",
			Hint:  "kubectl get memberclusters",
		},
		{
			ID: producersAgent, Hop: HopAgent, Test: testProducersAgent,
			Claim: "the producer's agent runs",
			Hint:  "its gateway learns of new services from it",
		},
	}
}

// agentDown says how a member's agent does not run.
func agentDown(e End) *Broken {
	agent := e.Facts.Agent
	if !e.Facts.Knows(facts.PartAgent) || agent.Ready > 0 {
		return nil
	}
	b := &Broken{
		Cluster: e.Name, Object: object("Deployment", facts.AgentName), Final: agent.Wanted == 0,
		Seen: fmt.Sprintf("the agent of %s does not run: %d of %d replicas are ready", e.Name, agent.Ready, agent.Wanted),
		Fix:  fmt.Sprintf("kubectl -n %s describe pods -l app.kubernetes.io/name=%s", facts.Namespace, facts.AgentName),
	}
	switch {
	case !agent.Found:
		b.Final, b.Seen, b.Fix = true, e.Name+" has no agent", "run eastwest up: it brings the agent"
	case agent.Wanted == 0:
		b.Fix = fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=2", facts.Namespace, facts.AgentName)
	}
	return b
}

func testAgent(l Link) *Broken {
	b := agentDown(l.Consumer)
	if b != nil {
		b.Evidence = l.flow()
	}
	return b
}

func testProducersAgent(l Link) *Broken {
	if l.Self() || l.Inbound.Read && l.Inbound.Known {
		return nil
	}
	return agentDown(l.Producer)
}

// flow says what the finding means for traffic right now.
func (l Link) flow() []string {
	if l.Works {
		return []string{"traffic still works: this link answers from what the gateways already know"}
	}
	if !l.Egress.Read {
		return nil
	}
	return []string{l.seenHosts()}
}

func (l Link) rejoin() string {
	return fmt.Sprintf("run eastwest up again for %s and %s: it gives %s a new credential of %s",
		l.Consumer.Name, l.Producer.Name, l.Consumer.Name, l.Producer.Name)
}

func testRecord(l Link) *Broken {
	record, found := l.Consumer.Facts.Record(l.Producer.Name)
	if l.Self() || !l.Consumer.Facts.Knows(facts.PartRecords) || found && record.Invalid == "" {
		return nil
	}
	b := &Broken{
		Cluster: l.Consumer.Name, Final: true, Evidence: l.flow(), Fix: l.rejoin(),
		Seen: fmt.Sprintf("%s holds no record of %s", l.Consumer.Name, l.Producer.Name),
	}
	if found {
		b.Object, b.Seen = "Secret "+record.Secret.String(), "the record is unusable: "+record.Invalid
	}
	return b
}

func testCredential(l Link) *Broken {
	record, found := l.Consumer.Facts.Record(l.Producer.Name)
	status := l.Credential.Status
	if !found || status != http.StatusUnauthorized && status != http.StatusForbidden {
		return nil
	}
	b := &Broken{
		Cluster: l.Consumer.Name, Object: "Secret " + record.Secret.String(), Final: true, Evidence: l.flow(), Fix: l.rejoin(),
		Seen: fmt.Sprintf("the API server of %s refuses the token that %s holds (HTTP %d: revoked or expired)",
			l.Producer.Name, l.Consumer.Name, status),
	}
	if status == http.StatusForbidden {
		b.Seen = fmt.Sprintf("the token that %s holds may not list endpoints of %s (HTTP 403)", l.Consumer.Name, l.Producer.Name)
	}
	return b
}

func testAPI(l Link) *Broken {
	record, found := l.Consumer.Facts.Record(l.Producer.Name)
	dial := l.Credential.Dial
	if !found || dial == nil || dial.Connected() {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Secret " + record.Secret.String(), Final: true, Evidence: l.flow(),
		Seen: fmt.Sprintf("%s, the API server of %s, is unreachable from a pod of %s: %s", record.Server, l.Producer.Name, l.Consumer.Name, dial.Failure()),
		Fix: fmt.Sprintf("open the way from the nodes of %s to %s, or run eastwest up with --server for an address they reach",
			l.Consumer.Name, record.Server),
	}
}

func testMember(l Link) *Broken {
	m := l.Consumer.Facts.Members[l.Producer.Name]
	if l.Self() || m.Code != "FAILED" && m.Code != "ERROR" {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "MemberCluster " + l.Producer.Name, Evidence: l.flow(),
		Seen: fmt.Sprintf("the agent of %s says of %s: %s, %s: %s", l.Consumer.Name, l.Producer.Name, m.State, m.Code, m.Description),
		Fix:  fmt.Sprintf("see the log of the agent: kubectl -n %s logs deployment/%s", facts.Namespace, facts.AgentName),
	}
}
