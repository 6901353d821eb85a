package installer

import (
	"context"
	"errors"
	"fmt"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
)

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
	if err := in.lookBehindAgent(ctx, consumer, producer, secret, &status); err != nil {
		status.State, status.Detail = stateRejected, err.Error()
		status.Fix = "eastwest up --agent with both clusters writes a new credential"
		return status
	}
	reads, err := in.tryRemote(ctx, consumer, producer, secret)
	status.ReadsSecrets = reads
	if err != nil {
		status.State, status.Detail = stateRejected, err.Error()+"; traffic may still work from what istiod remembers"
		status.Fix = "eastwest create-mesh with both clusters writes a new credential"
		return status
	}
	if reason := in.unreachable(ctx, consumer, status.Server); reason != "" {
		status.State = stateUnreachable
		status.Detail = fmt.Sprintf("%s cannot be reached from inside %s: %s; traffic still works from what istiod remembers, until it restarts", status.Server, consumer.name(), reason)
		status.Fix = "let the cluster's nodes and pods dial " + status.Server + ", or name another address: eastwest create-mesh --server " + producer.name() + "=https://HOST:PORT"
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
	content, err := in.credentialFor(ctx, consumer, producer, secret)
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
	return canListSecrets(ctx, client), nil
}

// throughAgent reports whether a remote secret leads to the consumer's own agent.
func throughAgent(secret *member.RemoteSecret) bool {
	return secret.Annotations[v1alpha1.AnnotationFacade] == "true"
}

// credentialFor is what opens the producer: the content of the remote secret, or
// where that leads to the agent what the agent holds.
func (in *Installer) credentialFor(ctx context.Context, consumer, producer *site, secret *member.RemoteSecret) ([]byte, error) {
	if !throughAgent(secret) {
		return consumer.member.RemoteKubeconfig(ctx, secret, producer.plane().ClusterID)
	}
	record, err := consumer.member.Kube.CoreV1().Secrets(agentNamespace).Get(ctx, peer.MemberSet(producer.name()), metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read what its agent holds: %w", err)
	}
	return peer.KubeconfigOf(record, producer.name()), nil
}

// lookBehindAgent makes a status tell of the credential that the agent holds, where
// the remote secret leads to the agent.
func (in *Installer) lookBehindAgent(ctx context.Context, consumer, producer *site, secret *member.RemoteSecret, status *LinkStatus) error {
	if !throughAgent(secret) {
		return nil
	}
	record, err := consumer.member.Kube.CoreV1().Secrets(agentNamespace).Get(ctx, peer.MemberSet(producer.name()), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read what its agent holds: %w", err)
	}
	parsed, err := kubeconfig.Parse(peer.KubeconfigOf(record, producer.name()), "", kubeconfig.Agent())
	if err != nil {
		return err
	}
	status.Secret, status.Server = record.Namespace+"/"+record.Name, parsed.Server
	status.Token = record.Annotations[peer.TokenKindAnnotation]
	status.Expiry = record.Annotations[peer.TokenExpiryAnnotation]
	status.ThroughAgent = true
	return nil
}

// canListSecrets asks an API server whether its caller may list all Secrets; an
// answer that does not come counts as no.
func canListSecrets(ctx context.Context, client kubernetes.Interface) bool {
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "secrets"},
		},
	}, metav1.CreateOptions{})
	return err == nil && review.Status.Allowed
}

// unreachable says why the consumer's pods cannot dial an API server; empty where
// they can, or where it cannot be tried. It runs curl in the gateway, which
// writes nothing; an image without curl tells nothing.
func (in *Installer) unreachable(ctx context.Context, consumer *site, server string) string {
	gateway := consumer.gateway()
	if gateway == nil || server == "" {
		return ""
	}
	pod, err := consumer.member.ReadyPod(ctx, gateway.Namespace, gateway.Selector)
	if err != nil || pod == "" {
		return ""
	}
	target := podexec.Target{Namespace: gateway.Namespace, Pod: pod, Container: "istio-proxy"}
	_, err = podexec.Run(ctx, consumer.member.Config, consumer.member.Kube, target,
		"curl", "--silent", "--output", "/dev/null", "--insecure", "--connect-timeout", "5", "--max-time", "8", server+"/version")
	var exit *podexec.ExitError
	if !errors.As(err, &exit) || podprobe.Connected(exit.Code) {
		return ""
	}
	return podprobe.Reason(exit.Code, exit.Stderr)
}
