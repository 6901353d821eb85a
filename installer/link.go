package installer

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// linkJob is the work on one link.
type linkJob struct {
	in                 *Installer
	consumer, producer *site
	account            peer.Account
	// current is the credential that is there already, if it is ours.
	current *currentRemote
	// foreign is a working credential of somebody else's, left as it is.
	foreign bool
	// secretName is that of a remote secret which is taken over; empty: istioctl's.
	secretName string
	address    peer.Address
	report     LinkReport
	// written is true where the remote secret was, or would be, written.
	written bool
	err     error
}

// currentRemote is a remote secret of ours as found.
type currentRemote struct {
	kubeconfig []byte
	address    peer.Address
	expiry     time.Time
}

// remoteKey is the consumer's remote secret that is keyed by the producer's cluster ID.
func remoteKey(consumer, producer *site) (secret *member.RemoteSecret, found bool) {
	for i, one := range consumer.facts.RemoteSecrets {
		for _, key := range one.Keys {
			if key.ClusterID == producer.plane().ClusterID {
				return &consumer.facts.RemoteSecrets[i], true
			}
		}
	}
	return nil, false
}

// needsAddress reports whether a credential is about to be written whose API
// address is not proved yet.
func (j *linkJob) needsAddress() bool {
	return !j.foreign && j.address.Server == ""
}

// prepare computes the account and reads the credential that is there.
func (j *linkJob) prepare(ctx context.Context) error {
	reader := j.consumer.plane()
	role, err := peer.Rules(peer.Reader{
		Member: j.consumer.name(), Version: reader.Version, MeshConfigMap: reader.MeshConfigMap(), Env: reader.Env,
	}, j.in.mesh.Spec.Peers.NoSecretRead)
	if err != nil {
		return err
	}
	j.account = peer.Account{
		Consumer: j.consumer.name(), Producer: j.producer.name(), IstioNamespace: j.in.mesh.Spec.IstioNamespace,
		Role: role, LongLived: j.in.mesh.Spec.Peers.TokenTTL == nil,
	}
	j.report.ReadsSecrets = role.ReadsSecrets
	secret, found := remoteKey(j.consumer, j.producer)
	if !found {
		return nil
	}
	return j.examine(ctx, secret)
}

// examine judges a credential that is there already: ours is read, a working one
// of somebody else's is left alone, and one that does not work is explained.
func (j *linkJob) examine(ctx context.Context, secret *member.RemoteSecret) error {
	content, err := j.consumer.member.RemoteKubeconfig(ctx, secret, j.producer.plane().ClusterID)
	if err != nil {
		return problem.New(problem.Cluster, "", "read a remote secret").On(j.consumer.name()).
			About("Secret " + secret.Namespace + "/" + secret.Name).Because(err)
	}
	var client kubernetes.Interface
	parsed, works := kubeconfig.Parse(content, "", kubeconfig.Agent())
	if works == nil {
		client, works = credentialClient(ctx, parsed, j.producer)
	}
	if secret.Labels[apply.ManagedByLabel] == apply.FieldManager {
		j.secretName = secret.Name
		if works == nil {
			j.keep(parsed, content, secret.Annotations)
		}
		return nil
	}
	if j.in.options.Adopt && len(secret.Keys) == 1 {
		j.secretName = secret.Name
		return nil
	}
	if works == nil {
		j.foreign = true
		j.report.Server, j.report.Hash, j.report.Reused = parsed.Server, peer.Hash(content), true
		j.report.ReadsSecrets = canListSecrets(ctx, client)
		return nil
	}
	return problem.New(problem.Refused, "RemoteSecretBroken", "its remote secret for %s does not work: %v", j.producer.name(), works).
		On(j.consumer.name()).About("Secret "+secret.Namespace+"/"+secret.Name).
		WithFix("delete it, or hand it to eastwest with --adopt: kubectl --context %s -n %s delete secret %s", j.consumer.spec.Context, secret.Namespace, secret.Name)
}

// keep takes over the address of our own credential unless another is asked for.
func (j *linkJob) keep(parsed *kubeconfig.Cluster, content []byte, annotations map[string]string) {
	if wanted := j.producer.spec.Server; wanted != "" && wanted != parsed.Server {
		return
	}
	j.address = peer.Address{Server: parsed.Server, CA: parsed.CA, TLSServerName: parsed.TLSServerName, Source: "remote secret"}
	expiry, _ := time.Parse(time.RFC3339, annotations[peer.TokenExpiryAnnotation])
	j.current = &currentRemote{kubeconfig: content, address: j.address, expiry: expiry}
}

// credentialClient connects with a credential, from here and on the address we
// know. The error says why it does not lead into the producer.
func credentialClient(ctx context.Context, found *kubeconfig.Cluster, producer *site) (kubernetes.Interface, error) {
	known := producer.member.Config
	test := rest.AnonymousClientConfig(known)
	test.UserAgent, test.Timeout, test.Proxy = known.UserAgent, known.Timeout, known.Proxy
	test.BearerToken = found.Config.BearerToken
	test.CertData, test.KeyData = found.Config.CertData, found.Config.KeyData
	client, err := kubernetes.NewForConfig(test)
	if err != nil {
		return nil, err
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("the API server of %s does not accept it: %w", producer.name(), err)
	}
	if namespace.UID != producer.facts.UID {
		return nil, fmt.Errorf("it leads to another cluster")
	}
	return client, nil
}

// run writes the account and the remote secret.
func (j *linkJob) run(ctx context.Context) {
	if j.err != nil {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, j.in.options.StepTimeout)
	defer cancel()
	if err := j.write(bounded); err != nil {
		j.err = located(ctx, err, j.consumer.name())
	}
}

// write brings the account into the producer, and into the consumer what it
// needs to find the producer: the remote secret, and its advertised addresses.
func (j *linkJob) write(ctx context.Context) error {
	wanted, err := j.gateways()
	if err != nil {
		return err
	}
	if !j.foreign {
		secret, err := j.credential(ctx)
		if err != nil {
			return err
		}
		if secret == nil { // a dry run before the account exists
			j.in.record(j.consumer, peer.RemoteSet(j.producer.name()), apply.NewSecret(j.consumer.member.IstioNamespace, j.name()))
			return nil
		}
		wanted = append(wanted, secret)
	}
	if j.foreign && len(wanted) == 0 {
		return nil
	}
	j.written, err = j.in.applySet(ctx, j.consumer, apply.Set{Name: peer.RemoteSet(j.producer.name()), Objects: wanted})
	return err
}

// credential makes the account and renders the remote secret; nil in a dry run
// before there is a token.
func (j *linkJob) credential(ctx context.Context) (*unstructured.Unstructured, error) {
	objects, err := j.account.Objects()
	if err != nil {
		return nil, err
	}
	if _, err := j.in.applySet(ctx, j.producer, apply.Set{Name: j.account.Set(), Objects: objects}); err != nil {
		return nil, err
	}
	token, ok, err := j.token(ctx)
	if err != nil || !ok {
		return nil, err
	}
	return j.remote(token)
}

// gateways are the producer's advertised addresses as the consumer's istiod
// reads them.
func (j *linkJob) gateways() ([]*unstructured.Unstructured, error) {
	advertised := j.producer.spec.Gateway.AdvertisedAddresses
	if len(advertised) > 0 && !j.consumer.facts.HasGatewayAPI {
		return nil, problem.New(problem.Refused, "GatewayAPIMissing",
			"%s advertises %s, which istiod reads from a Gateway API object, and this cluster does not serve the Gateway API",
			j.producer.name(), strings.Join(advertised, ", ")).On(j.consumer.name()).
			WithFix("install the Gateway API's CRDs (standard channel) in this cluster and run this again")
	}
	var objects []*unstructured.Unstructured
	for i, text := range advertised {
		host, port, err := config.Address(text)
		if err != nil {
			return nil, err
		}
		objects = append(objects, peer.RemoteGateway(peer.Advertised{
			Name: fmt.Sprintf("eastwest-%s-%d", j.producer.name(), i+1), Namespace: j.consumer.member.IstioNamespace,
			Network: j.producer.network(), Host: host, Port: port,
		}))
	}
	return objects, nil
}

// name is that of the remote secret.
func (j *linkJob) name() string {
	if j.secretName != "" {
		return j.secretName
	}
	return peer.SecretName(j.producer.plane().ClusterID, j.producer.name())
}

// token is the account's token: the one in use where it lives long enough, else
// a new one. ok is false in a dry run before there is any.
func (j *linkJob) token(ctx context.Context) (token peer.Token, ok bool, err error) {
	kube := j.producer.member.Kube
	life := j.in.mesh.Spec.Peers.TokenTTL
	switch {
	case life == nil && j.in.options.DryRun:
		return peer.PeekToken(ctx, kube, j.account)
	case life == nil:
		token, err = peer.ReadToken(ctx, kube, j.account)
		return token, true, err
	case j.current != nil && time.Until(j.current.expiry) > life.Duration/2:
		parsed, err := kubeconfig.Parse(j.current.kubeconfig, "", kubeconfig.Agent())
		if err != nil {
			return peer.Token{}, false, err
		}
		return peer.Token{Kind: peer.Bounded, Expiry: j.current.expiry, Value: parsed.Config.BearerToken}, true, nil
	case j.in.options.DryRun:
		return peer.Token{}, false, nil
	}
	token, err = peer.MintToken(ctx, kube, j.account, life.Duration)
	return token, true, err
}

// remote renders the remote secret and fills the report.
func (j *linkJob) remote(token peer.Token) (*unstructured.Unstructured, error) {
	id := j.producer.plane().ClusterID
	content, err := kubeconfig.Remote{
		ClusterID: id, Server: j.address.Server, CA: j.address.CA, TLSServerName: j.address.TLSServerName, Token: token.Value,
	}.Encode()
	if err != nil {
		return nil, err
	}
	j.report.Server, j.report.Token, j.report.Hash = j.address.Server, string(token.Kind), peer.Hash(content)
	if !token.Expiry.IsZero() {
		j.report.Expiry = token.Expiry.UTC().Format(time.RFC3339)
	}
	return peer.Remote{
		Name: j.name(), Consumer: j.consumer.name(), Producer: j.producer.name(), ClusterID: id,
		UID: string(j.producer.facts.UID), Namespace: j.consumer.member.IstioNamespace,
		Kubeconfig: content, Token: token,
	}.Object()
}
