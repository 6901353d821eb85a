package installer

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/installer/render"
)

// facadeSet holds what a member's agent and its istiod know each other by.
const facadeSet = "facade"

// besideIstio reports whether agents run beside the istiods of this mesh.
func (in *Installer) besideIstio() bool {
	return in.dataplane == config.DataplaneIstio && in.mesh.Spec.Agent.BesideIstio
}

// agentBesideIstio brings the agent, with its facade, into every member.
func (in *Installer) agentBesideIstio(ctx context.Context) error {
	if err := errors.Join(in.needAgentImage(), in.checkClusterProperties(ctx)); err != nil {
		return err
	}
	in.each(ctx, facadeSet, func(ctx context.Context, s *site) error {
		facade, err := s.readFacade(ctx)
		if err != nil {
			return err
		}
		object, err := facade.Object()
		if err != nil {
			return err
		}
		_, err = in.applySet(ctx, s, apply.Set{Name: facadeSet, Objects: []*unstructured.Unstructured{object}})
		return err
	})
	in.Agent(ctx)
	return nil
}

// readFacade is the facade that a member has, or a new one.
func (s *site) readFacade(ctx context.Context) (peer.Facade, error) {
	secret, err := s.member.Kube.CoreV1().Secrets(agentNamespace).Get(ctx, peer.FacadeSecret, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return peer.Facade{}, err
	}
	if err == nil {
		if facade, ok := peer.ReadFacade(secret, time.Now()); ok {
			return facade, nil
		}
	}
	return peer.NewFacade(time.Now())
}

// besideIstioValues are the agent's values where it drives no gateway.
func (s *site) besideIstioValues() []render.Values {
	return []render.Values{
		{"caSecret": "", "facade": map[string]any{"enabled": true, "secret": peer.FacadeSecret}}, s.probeValues(),
	}
}

// connectThroughAgents is create-mesh where agents run beside Istio: they hold the
// credentials, and the istiods ask them.
func (in *Installer) connectThroughAgents(ctx context.Context) error {
	links, err := in.links()
	if err != nil {
		return err
	}
	if !in.options.DryRun {
		in.each(ctx, "sweep", func(ctx context.Context, s *site) error { return in.sweep(ctx, s, false) })
	}
	work := in.work(links)
	var agents []*agentLink
	var istiods []*istiodLink
	for _, one := range work {
		agents = append(agents, &agentLink{link: one})
		istiods = append(istiods, &istiodLink{link: one})
	}
	eachLink(agents, func(job *agentLink) { job.err = job.prepare(ctx) })
	in.findAddresses(ctx, work)
	eachLink(agents, func(job *agentLink) { job.run(ctx, job.write) })
	eachLink(istiods, func(job *istiodLink) { job.run(ctx, job.throughAgent) })
	if !in.options.DryRun && !in.options.NoWait {
		in.awaitSync(ctx, istiods)
	}
	eachLink(istiods, func(job *istiodLink) { job.run(ctx, job.dropAccount) })
	in.settleLinks(work)
	return nil
}

// throughAgent writes a remote secret that leads to the consumer's own agent.
func (j *istiodLink) throughAgent(ctx context.Context) error {
	wanted, err := j.keptGateways()
	if err != nil {
		return err
	}
	if secret, found := remoteKey(j.consumer, j.producer); found {
		if err := j.examine(ctx, secret); err != nil {
			return err
		}
	}
	if !j.foreign {
		facade, err := j.consumer.readFacade(ctx)
		if err != nil {
			return err
		}
		report := j.report
		j.address = peer.Address{Server: peer.FacadeServer(j.producer.name()), CA: facade.Cert, Source: "agent"}
		secret, err := j.remote(peer.Token{Kind: peer.LongLived, Value: facade.Token})
		if err != nil {
			return err
		}
		report.ReadsSecrets, report.ThroughAgent = false, true
		j.report = report
		wanted = append(wanted, secret)
	}
	if len(wanted) == 0 {
		return nil
	}
	j.written, err = j.in.applySet(ctx, j.consumer, apply.Set{Name: peer.RemoteSet(j.producer.name()), Objects: wanted})
	return err
}

// dropAccount takes away the account of the consumer's istiod on the producer,
// which nobody uses any more.
func (j *istiodLink) dropAccount(ctx context.Context) error {
	if j.foreign {
		return nil
	}
	plan, err := j.producer.applier.Remove(ctx, peer.AccountSet(j.consumer.name()))
	if err != nil {
		return err
	}
	_, err = j.in.carryOut(ctx, j.producer, plan)
	return err
}
