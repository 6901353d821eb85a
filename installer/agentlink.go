package installer

import (
	"context"
	"net"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// agentLink lets a consumer's agent read a producer.
type agentLink struct {
	*link
}

// connectAgents gives the agent of every consumer of the topology a record of its
// producers and a credential for them. A link that fails leaves the others alone.
func (in *Installer) connectAgents(ctx context.Context) error {
	links, err := in.links()
	if err != nil {
		return err
	}
	if !in.options.DryRun {
		in.each(ctx, "sweep", func(ctx context.Context, s *site) error { return in.sweep(ctx, s, false) })
	}
	var jobs []*agentLink
	work := in.work(links)
	for _, one := range work {
		jobs = append(jobs, &agentLink{link: one})
	}
	eachLink(jobs, func(job *agentLink) { job.err = job.prepare(ctx) })
	in.findAddresses(ctx, work)
	eachLink(jobs, func(job *agentLink) { job.run(ctx, job.write) })
	in.settleLinks(work)
	return nil
}

// agentTokenLife is how long the token of an agent lives where nothing else is
// asked for. The agent renews it at half of that.
const agentTokenLife = 24 * time.Hour

// prepare computes the account and reads the credential that is there.
func (j *agentLink) prepare(ctx context.Context) error {
	j.life = agentTokenLife
	if life := j.in.mesh.Spec.Peers.TokenTTL; life != nil {
		j.life = life.Duration
	}
	consumer := j.consumer.name()
	role, err := j.role()
	if err != nil {
		return err
	}
	j.account = peer.Account{
		Reader: peer.Agent, Consumer: consumer, Producer: j.producer.name(), Role: role,
		IstioNamespace: j.in.mesh.Spec.IstioNamespace,
	}
	name := peer.MemberSet(j.producer.name())
	secret, err := j.consumer.member.Kube.CoreV1().Secrets(agentNamespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return problem.New(problem.Cluster, "", "read a member's record").On(consumer).
			About("Secret " + agentNamespace + "/" + name).Because(err)
	}
	content := peer.KubeconfigOf(secret, j.producer.name())
	parsed, err := kubeconfig.Parse(content, "", kubeconfig.Agent())
	if err != nil {
		return nil //nolint:nilerr // what does not parse is written anew
	}
	if _, err := credentialClient(ctx, parsed, j.producer); err == nil {
		j.keep(parsed, content, secret.Annotations)
	}
	return nil
}

// role is what the consumer's agent reads, and beside Istio what its istiod reads
// through it.
func (j *agentLink) role() (peer.Role, error) {
	if !j.in.besideIstio() {
		return peer.AgentRules(j.consumer.name()), nil
	}
	reader := j.consumer.plane()
	return peer.FacadeRules(j.consumer.name(), peer.Reader{
		Member: j.consumer.name(), Version: reader.Version, MeshConfigMap: reader.MeshConfigMap(), Env: reader.Env,
	})
}

// write brings the account into the producer and the record into the consumer.
func (j *agentLink) write(ctx context.Context) error {
	token, ok, err := j.credential(ctx)
	if err != nil {
		return err
	}
	set := peer.MemberSet(j.producer.name())
	if !ok {
		j.in.record(j.consumer, set, apply.NewSecret(agentNamespace, set))
		return nil
	}
	secret, err := j.remote(token)
	if err != nil {
		return err
	}
	// The consumer's agent renews the token, and owns it from then on.
	writer := apply.New(apply.Options{
		Cluster: j.consumer.name(), Dynamic: j.consumer.member.Dynamic, Mapper: j.consumer.member.Mapper, Adopt: true,
	})
	plan, err := writer.Plan(ctx, apply.Set{Name: set, Objects: []*unstructured.Unstructured{secret}})
	if err != nil {
		return err
	}
	j.written, err = j.in.carryOut(ctx, j.consumer, plan)
	return err
}

func (j *agentLink) remote(token peer.Token) (*unstructured.Unstructured, error) {
	content, err := j.kubeconfig(j.producer.name(), token)
	if err != nil {
		return nil, err
	}
	record, err := j.in.memberRecord(j.producer)
	if err != nil {
		return nil, err
	}
	secret := peer.Member{Consumer: j.consumer.name(), Record: record, Kubeconfig: content, Token: token}
	if j.in.besideIstio() {
		if secret.Gateways, err = j.recordedGateways(); err != nil {
			return nil, err
		}
	}
	return secret.Object()
}

// memberRecord is what consumers are told of a producer.
func (in *Installer) memberRecord(s *site) (v1alpha1.MemberRecord, error) {
	record := v1alpha1.MemberRecord{
		Name: s.name(), Network: in.networkOf(s), Region: s.region(), UID: string(s.facts.UID),
		PodCIDRs: s.facts.PodCIDRs,
	}
	if in.withoutMesh() {
		record.Identity = in.spiffeID("gateway", s.name())
	} else {
		record.ClusterID = s.plane().ClusterID
		if gateway := s.gateway(); gateway != nil {
			record.GatewayService = gateway.Namespace + "/" + gateway.Name
		}
		if in.besideIstio() {
			record.Probe = in.probed(s)
		}
	}
	for _, text := range s.spec.Gateway.AdvertisedAddresses {
		host, port, err := config.Address(text)
		if err != nil {
			return v1alpha1.MemberRecord{}, err
		}
		record.Advertised = append(record.Advertised, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	return record, nil
}
