package installer

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eastwest-mesh/eastwest/internal/dnslookup"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// dnsLoad is how long a cluster's DNS may take to load a change: a kubelet gives it the
// file within about a minute and a half, and CoreDNS looks at that every 30 s, give or
// take 15.
const dnsLoad = 150 * time.Second

// dnsProofBound bounds the pod that asks, beyond what it waits for.
const dnsProofBound = 90 * time.Second

// Hops on the way from a pod to the agent's answer.
const (
	hopProbe      = "probe pod"
	hopResolver   = "pod to cluster DNS"
	hopLoaded     = "cluster DNS"
	hopForward    = "cluster DNS to agent"
	hopAgent      = "agent"
	agentDNSUnder = "10053"
)

// ProveDNS asks, in each member whose DNS is to answer for the zone, from a throwaway
// pod as any pod would. Where eastwest entered the zone, no answer is a failure of kind
// Unverified; where a person is to do it, it is shown.
func (in *Installer) ProveDNS(ctx context.Context) {
	rows := in.Report().DNS
	eachLink(rows, func(row DNSReport) {
		s := in.site(row.Cluster)
		if row.State == dnsOff || row.State == dnsFailed || !s.alive() {
			return
		}
		if err := in.proveSite(ctx, s, &row); err != nil {
			in.fail(err)
			in.tell(Event{Cluster: s.name(), Step: dnsStep, State: Failed, Text: err.Error()})
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		at := slices.IndexFunc(in.report.DNS, func(one DNSReport) bool { return one.Cluster == row.Cluster })
		in.report.DNS[at] = row
	})
}

func (in *Installer) proveSite(ctx context.Context, s *site, row *DNSReport) error {
	patience := time.Duration(0)
	text := "looking up " + dnslookup.Name + " from a pod"
	if row.State == dnsPointed {
		patience = dnsLoad
		text += "; the cluster's DNS may take two minutes to load a change"
	}
	in.tell(Event{Cluster: s.name(), Step: dnsStep, State: Note, Text: text})
	outcome, err := in.lookUp(ctx, s, row, patience)
	switch {
	case err != nil && row.State != dnsPointed:
		in.tell(Event{Cluster: s.name(), Step: dnsStep, State: Note, Text: err.Error()})
	case err != nil:
		row.Hop, row.Detail = hopProbe, err.Error()
		row.Fix = fmt.Sprintf("look at pods and events there: kubectl -n %s get events", agentNamespace)
	default:
		row.judge(outcome)
	}
	switch {
	case row.State != dnsPointed && row.Answer == "":
		return nil
	case row.Hop == "":
		in.tell(Event{Cluster: s.name(), Step: dnsStep, State: Note, Text: dnslookup.Name + " is answered: " + row.Answer})
		return nil
	}
	failure := problem.New(problem.Unverified, "DNSNotAnswered", "pods get no answer for %s; the way breaks at: %s: %s", clusterZone, row.Hop, row.Detail).
		On(s.name())
	failure.Fix = row.Fix
	return failure
}

// lookUp asks from a pod, for so long as patience lasts.
func (in *Installer) lookUp(ctx context.Context, s *site, row *DNSReport, patience time.Duration) (dnslookup.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+dnsProofBound)
	defer cancel()
	_, secrets, err := in.renderedDNS(s)
	if err != nil {
		return dnslookup.Outcome{}, err
	}
	log, err := podprobe.Command(ctx, s.member.Kube, in.lookupOptions(secrets, patience),
		"eastwest-agent", "lookup", "--agent", dnsAddress(row.target), "--for", patience.String())
	if err != nil {
		return dnslookup.Outcome{}, err
	}
	return dnslookup.Read(log)
}

func (in *Installer) lookupOptions(secrets []corev1.LocalObjectReference, patience time.Duration) podprobe.Options {
	return podprobe.Options{
		Namespace: agentNamespace, Image: in.mesh.Spec.Images.Agent, PullSecrets: secrets, Life: patience + dnsProofBound,
	}
}

// judge says what a lookup proves.
func (r *DNSReport) judge(outcome dnslookup.Outcome) {
	resolver, agent := outcome.Resolver, outcome.Agent
	if r.Answer = resolver.Answer; resolver.Answer == dnslookup.Version || r.State != dnsPointed {
		return // or a person is told already what to do
	}
	const reload = "kubectl -n kube-system rollout restart deployment coredns; look at its log, which names what it does not reach, and whether its Corefile has the line reload"
	switch {
	case resolver.Answer != "":
		r.Hop, r.Detail = hopLoaded, "another server answers for the zone, with version "+resolver.Answer
		r.Fix = "find what else the cluster's DNS is told of " + clusterZone + ", or leave it: --dns off"
	case agent.Answer == "":
		r.Hop, r.Detail = hopAgent, "the agent does not answer: "+agent.Text()
		r.Fix = fmt.Sprintf("kubectl -n %s get pods -l app=%s; where they are ready, look for a NetworkPolicy that keeps pods from their port %s", agentNamespace, agentName, agentDNSUnder)
	case resolver.Code == "":
		r.Hop, r.Detail = hopResolver, "the cluster's DNS does not answer: "+resolver.Error
		r.Fix = "kubectl -n kube-system get pods -l k8s-app=kube-dns; look for a NetworkPolicy that keeps pods from port 53"
	case resolver.Code == "SERVFAIL" && outcome.Other.Code != "SERVFAIL":
		r.Hop, r.Detail = hopForward, "the cluster's DNS gets no answer from the agent, which answers others: "+resolver.Text()
		r.Fix = fmt.Sprintf("let kube-system reach port %s of %s in %s: look at NetworkPolicies there", agentDNSUnder, agentName, agentNamespace)
	default:
		r.Hop, r.Detail = hopLoaded, "the cluster's DNS has not loaded the zone: "+resolver.Text()
		r.Fix = reload
	}
}
