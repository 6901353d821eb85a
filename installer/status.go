package installer

import (
	"context"
	"errors"
	"net"
	"slices"
	"sort"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Status is what a mesh looks like now.
type Status struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Dataplane is envoy for members without Istio.
	Dataplane string         `json:"dataplane,omitempty"`
	Members   []MemberStatus `json:"members"`
	Links     []LinkStatus   `json:"links"`
}

// MemberStatus is one member of a Status.
type MemberStatus struct {
	Name       string `json:"name"`
	ClusterID  string `json:"clusterID,omitempty"`
	Network    string `json:"network,omitempty"`
	Region     string `json:"region,omitempty"`
	Revision   string `json:"revision,omitempty"`
	Istio      string `json:"istio,omitempty"`
	Kubernetes string `json:"kubernetes,omitempty"`
	Platform   string `json:"platform,omitempty"`
	// Agent is how many of its agent's replicas are ready, none where it has no agent.
	Agent string `json:"agent,omitempty"`
	// MultiClusterServices is how it stands in these by its own agent's word; absent
	// where that says nothing.
	MultiClusterServices *v1alpha1.MemberServices `json:"multiClusterServices,omitempty"`
	// Gateway is where peers dial it.
	Gateway []string `json:"gateway,omitempty"`
	Exposed bool     `json:"exposed"`
	// DNS says whether the cluster's own DNS asks the agent for clusterset.local:
	// pointed, by-hand, conflict, elsewhere, none or unknown; DNSDetail why.
	DNS       string `json:"dns,omitempty"`
	DNSDetail string `json:"dnsDetail,omitempty"`
	Error     string `json:"error,omitempty"`
}

// LinkStatus is one wanted link of a Status.
type LinkStatus struct {
	Consumer string `json:"consumer"`
	Producer string `json:"producer"`
	// State is synced, without Istio ready, or what is wrong in one word.
	State string `json:"state"`
	// Secret is the remote secret, Server the API address in it.
	Secret string `json:"secret,omitempty"`
	Server string `json:"server,omitempty"`
	// Owner is eastwest or other.
	Owner string `json:"owner,omitempty"`
	// Token says which kind of token it is; Age since the secret was written.
	Token  string `json:"token,omitempty"`
	Age    string `json:"age,omitempty"`
	Expiry string `json:"expiry,omitempty"`
	// ThroughAgent is true where istiod asks the consumer's own agent; Secret, Server
	// and Token are then what the agent holds.
	ThroughAgent bool `json:"throughAgent,omitempty"`
	// ReadsSecrets is true where the API server lets this credential list all
	// Secrets of the producer.
	ReadsSecrets bool `json:"readsSecrets"`
	// Sync is what each istiod replica of the consumer says.
	Sync map[string]string `json:"sync,omitempty"`
	// Agent is what the consumer's agent says of the producer; absent where the
	// consumer has no agent.
	Agent *AgentStatus `json:"agent,omitempty"`
	// Detail and Fix explain a state that is not synced.
	Detail string `json:"detail,omitempty"`
	Fix    string `json:"fix,omitempty"`
}

// States of a link. Those of an agent that has something against a member are its
// own words.
const (
	stateSynced      = "synced"
	stateReady       = "ready"
	stateNotReady    = "not-ready"
	stateMissing     = "missing"
	stateRejected    = "rejected"
	stateNotSynced   = "not-synced"
	stateUnreachable = "unreachable"
	stateNotReached  = "not-reached"
	stateUnknown     = "unknown"
)

// Status reads members, links, and what every istiod replica says of its peers;
// without Istio what agents say.
// The error is of kind Unverified where a link is not in order.
func (in *Installer) Status(ctx context.Context) (*Status, error) {
	if read := in.plainFacts(ctx); read != nil {
		return in.plainStatus(ctx, read)
	}
	status := &Status{APIVersion: v1alpha1.APIVersion, Kind: "Status"}
	var mu sync.Mutex
	istiods := map[string][]facts.Istiod{}
	in.each(ctx, "status", func(ctx context.Context, s *site) error {
		read, err := s.reader().Istiods(ctx)
		mu.Lock()
		defer mu.Unlock()
		istiods[s.name()] = read
		return err
	})
	agents := in.agents(ctx)
	for _, s := range in.sites {
		one := memberStatus(s)
		if s.facts != nil {
			one.Agent, one.MultiClusterServices = agentText(agents[s.name()].Agent), agents[s.name()].Members[s.name()].Services
		}
		if declared := in.declared(s); len(declared) > 0 {
			one.Gateway = declared
		}
		status.Members = append(status.Members, one)
	}
	in.fillDNS(ctx, status.Members)
	links, err := in.links()
	if err != nil {
		return nil, err
	}
	status.Links = make([]LinkStatus, len(links))
	var group errgroup.Group
	group.SetLimit(parallelLinks)
	for i, link := range links {
		group.Go(func() error {
			one := in.linkStatus(ctx, in.site(link.Consumer), in.site(link.Producer), istiods[link.Consumer])
			one.Agent = agentStatus(agents[link.Consumer], link.Producer)
			one.judgeWay(agents[link.Consumer].Members[link.Producer])
			status.Links[i] = one
			return nil
		})
	}
	_ = group.Wait()
	return status, status.err()
}

// err joins the links that are not in order.
func (s *Status) err() error {
	var broken []error
	for _, one := range s.Links {
		if slices.Contains([]string{stateSynced, stateReady, stateUnknown}, one.State) {
			continue
		}
		what := "discovery of "
		if one.State == stateNotReached {
			what = "the way to "
		}
		failure := problem.New(problem.Unverified, "LinkBroken", "%s%s: %s: %s", what, one.Producer, one.State, one.Detail).On(one.Consumer)
		failure.Fix = one.Fix
		broken = append(broken, failure)
	}
	return errors.Join(broken...)
}

// declared lists the addresses by which the other members' istiods were told to
// dial a member's gateway; none where they read its Service.
func (in *Installer) declared(s *site) []string {
	if s.facts == nil {
		return nil
	}
	if gateway := s.ours(); gateway == nil || gateway.Network != "" {
		return nil
	}
	var addresses []string
	for _, consumer := range in.sites {
		if consumer == s || consumer.facts == nil {
			continue
		}
		for _, one := range consumer.facts.Declared {
			address := net.JoinHostPort(one.Address, strconv.FormatInt(one.Port, 10))
			if one.Network == s.network() && !slices.Contains(addresses, address) {
				addresses = append(addresses, address)
			}
		}
	}
	return addresses
}

func memberStatus(s *site) MemberStatus {
	status := MemberStatus{Name: s.name()}
	if s.err != nil {
		status.Error = s.err.Error()
	}
	if s.facts == nil {
		return status
	}
	status.Network, status.Kubernetes, status.Platform = s.network(), s.facts.Version, s.facts.Platform
	status.Region = s.region()
	if plane := s.plane(); plane != nil {
		status.ClusterID, status.Revision, status.Istio = plane.ClusterID, plane.Revision, plane.Version
	}
	status.Gateway = s.dialled()
	for _, exposure := range s.facts.Exposures {
		status.Exposed = status.Exposed || exposure.Port == member.GatewayPort
	}
	return status
}

// Doctor runs every preflight check and the comparison of roots, and writes
// nothing. It returns all findings, also those that do not stop anything.
func (in *Installer) Doctor(ctx context.Context) ([]preflight.Finding, error) {
	if err := in.checkDataplane(); err != nil {
		return nil, err
	}
	checks, compare := []string(nil), in.doctorTrust
	if in.withoutMesh() {
		checks, compare = plainChecks(), in.doctorAuthority
	}
	refused := in.Preflight(ctx, checks...)
	roots, different := compare(ctx)
	found := append(append(in.Report().Findings, roots...), in.doctorDNS(ctx)...)
	sort.SliceStable(found, func(i, j int) bool { return found[i].Severity < found[j].Severity })
	return found, errors.Join(refused, different)
}

// doctorTrust compares the roots of all istiods.
func (in *Installer) doctorTrust(context.Context) ([]preflight.Finding, error) {
	found, refused := in.CheckTrust()
	findings := make([]preflight.Finding, len(found))
	for i, one := range found {
		findings[i] = preflight.Finding{Check: one.Code, Severity: preflight.Warn, Members: one.Clusters, Detail: one.Message, Fix: one.Fix}
		if one.Severity == "refusal" {
			findings[i].Severity = preflight.Refuse
		}
	}
	return findings, refused
}
