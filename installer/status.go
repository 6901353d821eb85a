package installer

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/installer/verify/facts"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Status is what a mesh looks like now.
type Status struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Members    []MemberStatus `json:"members"`
	Links      []LinkStatus   `json:"links"`
}

// MemberStatus is one member of a Status.
type MemberStatus struct {
	Name       string `json:"name"`
	ClusterID  string `json:"clusterID,omitempty"`
	Network    string `json:"network,omitempty"`
	Revision   string `json:"revision,omitempty"`
	Istio      string `json:"istio,omitempty"`
	Kubernetes string `json:"kubernetes,omitempty"`
	Platform   string `json:"platform,omitempty"`
	// Gateway is where peers dial it.
	Gateway []string `json:"gateway,omitempty"`
	Exposed bool     `json:"exposed"`
	Error   string   `json:"error,omitempty"`
}

// LinkStatus is one wanted link of a Status.
type LinkStatus struct {
	Consumer string `json:"consumer"`
	Producer string `json:"producer"`
	// State is synced, or what is wrong in one word.
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
	// ReadsSecrets is true where the API server lets this credential list all
	// Secrets of the producer.
	ReadsSecrets bool `json:"readsSecrets"`
	// Sync is what each istiod replica of the consumer says.
	Sync map[string]string `json:"sync,omitempty"`
	// Detail and Fix explain a state that is not synced.
	Detail string `json:"detail,omitempty"`
	Fix    string `json:"fix,omitempty"`
}

// States of a link besides synced.
const (
	stateSynced    = "synced"
	stateMissing   = "missing"
	stateRejected  = "rejected"
	stateNotSynced = "not-synced"
	stateUnknown   = "unknown"
)

// Status reads members, links, and what every istiod replica says of its peers.
// The error is of kind Unverified where a link is not in order.
func (in *Installer) Status(ctx context.Context) (*Status, error) {
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
	for _, s := range in.sites {
		status.Members = append(status.Members, memberStatus(s))
	}
	links, err := in.links()
	if err != nil {
		return nil, err
	}
	var broken []error
	for _, link := range links {
		one := in.linkStatus(ctx, in.site(link.Consumer), in.site(link.Producer), istiods[link.Consumer])
		status.Links = append(status.Links, one)
		if one.State != stateSynced && one.State != stateUnknown {
			failure := problem.New(problem.Unverified, "LinkBroken", "discovery of %s: %s: %s", one.Producer, one.State, one.Detail).On(one.Consumer)
			failure.Fix = one.Fix
			broken = append(broken, failure)
		}
	}
	return status, errors.Join(broken...)
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
	if plane := s.plane(); plane != nil {
		status.ClusterID, status.Revision, status.Istio = plane.ClusterID, plane.Revision, plane.Version
	}
	status.Gateway = s.dialled()
	for _, exposure := range s.facts.Exposures {
		status.Exposed = status.Exposed || exposure.Port == member.GatewayPort
	}
	return status
}

func (in *Installer) linkStatus(ctx context.Context, consumer, producer *site, istiods []facts.Istiod) LinkStatus {
	status := LinkStatus{Consumer: consumer.name(), Producer: producer.name(), State: stateUnknown}
	if consumer.facts == nil || consumer.plane() == nil {
		status.Detail = consumer.name() + " does not answer"
		return status
	}
	if producer.facts == nil || producer.plane() == nil {
		status.Detail = producer.name() + " does not answer"
		return status
	}
	id := producer.plane().ClusterID
	secret, found := remoteKey(consumer, producer)
	if !found {
		status.State = stateMissing
		status.Detail = fmt.Sprintf("no remote secret of %s has the key %q", consumer.name(), id)
		status.Fix = "eastwest create-mesh with both clusters writes it"
		return status
	}
	fillSecret(&status, secret, id)
	reads, err := in.tryRemote(ctx, consumer, producer, secret)
	status.ReadsSecrets = reads
	if err != nil {
		status.State, status.Detail = stateRejected, err.Error()+"; traffic may still work from what istiod remembers"
		status.Fix = "eastwest create-mesh with both clusters writes a new credential"
		return status
	}
	status.State = stateSynced
	status.Sync = consumer.syncOf(istiods, id)
	for _, pod := range sortedNames(status.Sync) {
		if state := status.Sync[pod]; state != stateSynced {
			status.State = stateNotSynced
			status.Detail = fmt.Sprintf("istiod %s says %q of %s", pod, state, id)
			status.Fix = fmt.Sprintf("check that its pods reach %s and look at its log: kubectl --context %s -n %s logs %s",
				status.Server, consumer.spec.Context, consumer.member.IstioNamespace, pod)
		}
	}
	return status
}

func fillSecret(status *LinkStatus, secret *member.RemoteSecret, id string) {
	status.Secret = secret.Namespace + "/" + secret.Name
	status.Owner = "other"
	if secret.Labels[apply.ManagedByLabel] == apply.FieldManager {
		status.Owner = apply.FieldManager
	}
	status.Token = secret.Annotations[peer.TokenKindAnnotation]
	status.Expiry = secret.Annotations[peer.TokenExpiryAnnotation]
	if !secret.Created.IsZero() {
		status.Age = time.Since(secret.Created).Round(time.Second).String()
	}
	for _, key := range secret.Keys {
		if key.ClusterID == id {
			status.Server = key.Server
		}
	}
}

// tryRemote uses the credential of a link from here, and asks whether it can
// list Secrets.
func (in *Installer) tryRemote(ctx context.Context, consumer, producer *site, secret *member.RemoteSecret) (readsSecrets bool, err error) {
	content, err := consumer.member.RemoteKubeconfig(ctx, secret, producer.plane().ClusterID)
	if err != nil {
		return false, err
	}
	parsed, err := kubeconfig.Parse(content, "", kubeconfig.Agent())
	if err != nil {
		return false, err
	}
	client, err := credentialClient(ctx, parsed, producer)
	if err != nil {
		return false, err
	}
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "secrets"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, nil //nolint:nilerr // the credential works; what it may read is not known
	}
	return review.Status.Allowed, nil
}

// Doctor runs every preflight check and the comparison of roots, and writes
// nothing. It returns all findings, also those that do not stop anything.
func (in *Installer) Doctor(ctx context.Context) ([]preflight.Finding, error) {
	refused := in.Preflight(ctx)
	found := in.Report().Findings
	trustFindings, trustRefused := in.CheckTrust()
	for _, one := range trustFindings {
		severity := preflight.Warn
		if one.Severity == "refusal" {
			severity = preflight.Refuse
		}
		found = append(found, preflight.Finding{Check: one.Code, Severity: severity, Members: one.Clusters, Detail: one.Message, Fix: one.Fix})
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Severity < found[j].Severity })
	return found, errors.Join(refused, trustRefused)
}
