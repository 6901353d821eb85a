package installer

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
)

// plainFacts are what the members' agents and gateways look like; nil where the
// members have none of either, or run Istio.
func (in *Installer) plainFacts(ctx context.Context) map[string]facts.Cluster {
	if err := in.checkDataplane(); err != nil || !in.withoutMesh() {
		return nil // a mixture is shown as Istio's: this command refuses nothing
	}
	var mu sync.Mutex // guards all and any
	all, found := map[string]facts.Cluster{}, false
	in.each(ctx, "status", func(ctx context.Context, s *site) error {
		read := facts.Reader{Kube: s.member.Kube, Dynamic: s.member.Dynamic}.Read(ctx)
		for _, text := range read.Unread {
			in.tell(Event{Cluster: s.name(), Step: "status", State: Note, Text: "could not read " + text})
		}
		mu.Lock()
		defer mu.Unlock()
		all[s.name()] = read
		found = found || read.Agent.Found || read.Gateway != nil
		return nil
	})
	if !found {
		return nil
	}
	return all
}

// plainStatus is the Status of members without Istio.
func (in *Installer) plainStatus(ctx context.Context, read map[string]facts.Cluster) (*Status, error) {
	status := &Status{APIVersion: v1alpha1.APIVersion, Kind: "Status", Dataplane: config.DataplaneEnvoy}
	for _, s := range in.sites {
		status.Members = append(status.Members, in.plainMember(s, read[s.name()]))
	}
	in.fillDNS(ctx, status.Members)
	links, err := in.links()
	if err != nil {
		return nil, err
	}
	status.Links = make([]LinkStatus, len(links))
	jobs := make([]int, len(links))
	for i := range jobs {
		jobs[i] = i
	}
	eachLink(jobs, func(i int) {
		consumer, producer := in.site(links[i].Consumer), in.site(links[i].Producer)
		status.Links[i] = plainLink(ctx, consumer, producer, read[links[i].Consumer])
		status.Links[i].Agent = agentStatus(read[links[i].Consumer], links[i].Producer)
	})
	return status, status.err()
}

func (in *Installer) plainMember(s *site, read facts.Cluster) MemberStatus {
	status := memberStatus(s)
	if s.facts == nil {
		return status
	}
	status.ClusterID, status.Network = s.name(), in.networkOf(s)
	status.Agent, status.MultiClusterServices = agentText(read.Agent), read.Members[s.name()].Services
	status.Gateway, status.Exposed = nil, len(read.Gateway.Ready()) > 0
	if read.Gateway != nil {
		for _, address := range read.Gateway.Addresses {
			status.Gateway = append(status.Gateway, net.JoinHostPort(address, strconv.Itoa(facts.TLSPort)))
		}
	}
	if len(s.spec.Gateway.AdvertisedAddresses) > 0 {
		status.Gateway = slices.Clone(s.spec.Gateway.AdvertisedAddresses)
	}
	return status
}

// plainLink is a link as the consumer's record, its agent, and the producer's API
// server show it.
func plainLink(ctx context.Context, consumer, producer *site, read facts.Cluster) LinkStatus {
	status := LinkStatus{Consumer: consumer.name(), Producer: producer.name(), State: stateUnknown}
	for _, s := range []*site{consumer, producer} {
		if s.facts == nil || !s.alive() {
			status.Detail = s.name() + " does not answer"
			return status
		}
	}
	const rejoin = "eastwest up with both clusters writes it"
	record, found := read.Record(producer.name())
	switch {
	case !read.Knows(facts.PartRecords):
		status.Detail = "the records of " + consumer.name() + " could not be read"
		return status
	case !found || record.Invalid != "":
		status.State, status.Fix = stateMissing, rejoin
		status.Detail = fmt.Sprintf("%s has no record of %s", consumer.name(), producer.name())
		if found {
			status.Detail = "the record is unusable: " + record.Invalid
		}
		return status
	}
	status.Server = record.Server
	if err := fillRecord(ctx, &status, consumer, producer, record); err != nil {
		status.State, status.Detail = stateRejected, err.Error()+"; traffic still works by what the gateways know"
		status.Fix = "eastwest up with both clusters writes a new credential"
		return status
	}
	return plainState(status, read)
}

// fillRecord says what is known of a record's credential, and tries it from here.
func fillRecord(ctx context.Context, status *LinkStatus, consumer, producer *site, record facts.Record) error {
	status.Secret, status.Owner = record.Secret.String(), "other"
	secret, err := consumer.member.Kube.CoreV1().Secrets(record.Secret.Namespace).Get(ctx, record.Secret.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if secret.Labels[apply.ManagedByLabel] == apply.FieldManager {
		status.Owner = apply.FieldManager
	}
	status.Token = secret.Annotations[peer.TokenKindAnnotation]
	status.Expiry = secret.Annotations[peer.TokenExpiryAnnotation]
	status.Age = time.Since(secret.CreationTimestamp.Time).Round(time.Second).String()
	parsed, err := kubeconfig.Parse(peer.KubeconfigOf(secret, producer.name()), "", kubeconfig.Agent())
	if err != nil {
		return err
	}
	client, err := credentialClient(ctx, parsed, producer)
	if err != nil {
		return err
	}
	status.ReadsSecrets = canListSecrets(ctx, client)
	return nil
}

// plainState is what the consumer's agent makes of a producer whose credential
// works.
func plainState(status LinkStatus, read facts.Cluster) LinkStatus {
	seen, says := read.Members[status.Producer]
	switch {
	case read.Knows(facts.PartAgent) && read.Agent.Ready == 0:
		status.State = stateNotReady
		status.Detail = fmt.Sprintf("the agent of %s does not run; traffic still works by what its gateway knows", status.Consumer)
		status.Fix = fmt.Sprintf("kubectl -n %s describe deployment %s", facts.Namespace, facts.AgentName)
	case says && (seen.Code == v1alpha1.CodeFailed || seen.Code == v1alpha1.CodeError):
		status.State, status.Detail = seen.State, seen.Description
		status.Fix = fmt.Sprintf("see the log of the agent of %s: kubectl -n %s logs deployment/%s", status.Consumer, facts.Namespace, facts.AgentName)
	default:
		status.State, status.Detail = stateReady, seen.Description
	}
	return status
}
