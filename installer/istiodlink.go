package installer

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// istiodLink lets a consumer's istiod read a producer.
type istiodLink struct {
	*link
	// secretName is that of a remote secret which is taken over; empty: istioctl's.
	secretName string
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

// prepare computes the account and reads the credential that is there.
func (j *istiodLink) prepare(ctx context.Context) error {
	if life := j.in.mesh.Spec.Peers.TokenTTL; life != nil {
		j.life = life.Duration
	}
	reader := j.consumer.plane()
	role, err := peer.Rules(peer.Reader{
		Member: j.consumer.name(), Version: reader.Version, MeshConfigMap: reader.MeshConfigMap(), Env: reader.Env,
	}, j.in.mesh.Spec.Peers.NoSecretRead)
	if err != nil {
		return err
	}
	j.account = peer.Account{
		Consumer: j.consumer.name(), Producer: j.producer.name(), IstioNamespace: j.in.mesh.Spec.IstioNamespace,
		Role: role, LongLived: j.life == 0,
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
func (j *istiodLink) examine(ctx context.Context, secret *member.RemoteSecret) error {
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

// write brings the account into the producer, and into the consumer what it
// needs to find the producer: the remote secret, and its advertised addresses.
func (j *istiodLink) write(ctx context.Context) error {
	wanted, err := j.gateways()
	if err != nil {
		return err
	}
	if !j.foreign {
		token, ok, err := j.credential(ctx)
		if err != nil {
			return err
		}
		if !ok {
			j.in.record(j.consumer, peer.RemoteSet(j.producer.name()), apply.NewSecret(j.consumer.member.IstioNamespace, j.name()))
			return nil
		}
		secret, err := j.remote(token)
		if err != nil {
			return err
		}
		wanted = append(wanted, secret)
	}
	if j.foreign && len(wanted) == 0 {
		return nil
	}
	j.written, err = j.in.applySet(ctx, j.consumer, apply.Set{Name: peer.RemoteSet(j.producer.name()), Objects: wanted})
	return err
}

// name is that of the remote secret.
func (j *istiodLink) name() string {
	if j.secretName != "" {
		return j.secretName
	}
	return peer.SecretName(j.producer.plane().ClusterID, j.producer.name())
}

// remote renders the remote secret.
func (j *istiodLink) remote(token peer.Token) (*unstructured.Unstructured, error) {
	id := j.producer.plane().ClusterID
	content, err := j.kubeconfig(id, token)
	if err != nil {
		return nil, err
	}
	return peer.Remote{
		Name: j.name(), Consumer: j.consumer.name(), Producer: j.producer.name(), ClusterID: id,
		UID: string(j.producer.facts.UID), Namespace: j.consumer.member.IstioNamespace,
		Kubeconfig: content, Token: token, Facade: j.address.Server == peer.FacadeServer(j.producer.name()),
	}.Object()
}
