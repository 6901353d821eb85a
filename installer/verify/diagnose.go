package verify

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eastwest-mesh/eastwest/installer/verify/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// sight is what one member shows when it is looked at closely.
type sight struct {
	clusters  map[string]envoy.Cluster
	endpoints map[string][]envoy.Endpoint
	read      bool
	// caller and answerer are the identities of sleep and helloworld.
	caller, answerer           *envoy.Identity
	callerStats, answererStats envoy.Stats
	// gateway is the Envoy of one of its gateway pods.
	gateway          judge.Passthrough
	gatewayEndpoints map[string][]envoy.Endpoint
}

// diagnose collects evidence about cells that do not answer and judges each.
func (r *run) diagnose(ctx context.Context, cells []*cell) {
	if len(cells) == 0 {
		return
	}
	r.step("", "look for the first broken hop of %d links", len(cells))
	sights := make(map[*member]*sight, len(r.members))
	for _, m := range r.members {
		sights[m] = &sight{}
	}
	r.each(func(m *member) {
		m.facts = m.reader().Read(ctx)
		m.look(ctx, sights[m])
	})
	credentials := r.credentials(ctx)
	dials := r.dial(ctx, cells, sights)
	for _, c := range cells {
		link := c.evidence(sights[c.consumer], sights[c.producer], time.Now())
		link.Credential = credentials[Pair{c.consumer.Name, c.producer.Name}]
		link.Dials = map[string]traffic.Answer{}
		for _, e := range link.View.Endpoints {
			if answer, ok := dials[c.consumer][e.String()]; ok {
				link.Dials[e.String()] = answer
			}
		}
		link.Remembered = r.remembered(ctx, link, c)
		verdict := judge.First(link)
		c.verdict = &verdict
	}
}

// look asks a member's proxies, all at once.
func (m *member) look(ctx context.Context, s *sight) {
	var all sync.WaitGroup
	if m.sleep.Ready {
		all.Go(func() {
			data, err := m.sidecar(ctx, m.sleep.Pod, m.services().ClustersPath())
			if err == nil {
				s.clusters, err = envoy.ParseClusters(data)
			}
			s.read = err == nil
		})
		all.Go(func() {
			if data, err := m.sidecar(ctx, m.sleep.Pod, m.services().EndpointsPath()); err == nil {
				s.endpoints, _ = envoy.ParseEndpoints(data)
			}
		})
		all.Go(func() { s.caller, s.callerStats = m.identity(ctx, m.sleep.Pod) })
	}
	if m.hello.Ready {
		all.Go(func() { s.answerer, s.answererStats = m.identity(ctx, m.hello.Pod) })
	}
	all.Go(func() { m.lookAtGateway(ctx, s) })
	all.Wait()
}

// identity is the certificate, roots and counters of a pod's proxy.
func (m *member) identity(ctx context.Context, pod *corev1.Pod) (*envoy.Identity, envoy.Stats) {
	var identity *envoy.Identity
	if data, err := m.sidecar(ctx, pod, envoy.SecretsPath()); err == nil {
		if parsed, err := envoy.ParseIdentity(data); err == nil {
			identity = &parsed
		}
	}
	var stats envoy.Stats
	if data, err := m.sidecar(ctx, pod, m.services().StatsPath()); err == nil {
		stats, _ = envoy.ParseStats(data)
	}
	return identity, stats
}

// lookAtGateway asks the first gateway pod that answers.
func (m *member) lookAtGateway(ctx context.Context, s *sight) {
	// Those that stand for its network go first.
	all := slices.Clone(m.facts.Gateways)
	slices.SortStableFunc(all, func(a, b facts.Gateway) int { return rank(b) - rank(a) })
	for _, g := range all {
		for _, pod := range g.Ready() {
			data, err := m.admin(ctx, g.Namespace, pod, envoy.ListenersPath(g.TargetPort))
			if err != nil {
				continue
			}
			s.gateway.Pod = g.Namespace + "/" + pod
			s.gateway.Listeners, err = envoy.ParseListeners(data)
			s.gateway.Read = err == nil
			if data, err = m.admin(ctx, g.Namespace, pod, m.services().PassthroughEndpointsPath()); err == nil {
				s.gatewayEndpoints, _ = envoy.ParseEndpoints(data)
			}
			return
		}
	}
}

func rank(g facts.Gateway) int {
	if g.Network != "" && g.Port != 0 {
		return 1
	}
	return 0
}

// evidence is all that was seen of a cell but for live probes.
func (c *cell) evidence(from, to *sight, now time.Time) judge.Link {
	cluster, known := from.clusters[c.clusterName()]
	link := judge.Link{
		Host: c.host(), Port: harness.Port, Answer: c.last, Works: c.answered, Now: now,
		Consumer: c.consumer.end(c.consumer.sleep, from.caller, from.callerStats),
		Producer: c.producer.end(c.producer.hello, to.answerer, to.answererStats),
		View: judge.View{
			Read: from.read, Known: known, Cluster: cluster, Endpoints: from.endpoints[c.clusterName()],
		},
		Passthrough: to.gateway,
	}
	link.Passthrough.Endpoints = to.gatewayEndpoints[envoy.SNI(c.host(), harness.Port)]
	return link
}

// end is one side of a link.
func (m *member) end(w harness.Workload, identity *envoy.Identity, stats envoy.Stats) judge.End {
	e := judge.End{
		Name: m.Name, ClusterID: m.ClusterID, Namespace: m.plan.Namespace,
		Facts: m.facts, Identity: identity, Stats: stats,
		Pod: judge.Pod{Ready: w.Ready, State: w.Reason},
	}
	if w.Pod != nil {
		e.Pod.Name, e.Pod.IP, e.Pod.Labels = w.Pod.Name, w.Pod.Status.PodIP, w.Pod.Labels
		e.Revision = w.Pod.Annotations[facts.RevisionLabel]
		e.Network = m.networkOf(w)
	}
	return e
}

// networkOf is where istiod puts a pod; a proxy that calls says it by itself.
func (m *member) networkOf(w harness.Workload) string {
	if own := harness.Env(*w.Pod, "ISTIO_META_NETWORK"); own != "" && w.Name == harness.SleepName {
		return own
	}
	return harness.Network(*w.Pod, m.facts.Network)
}

// dialTarget is how an endpoint is probed past all proxies, and the port of that.
// A pod is dialled at the health port of its sidecar, which takes no part in
// mutual TLS; that TLS fails at a gateway does not matter, for it shows that TCP
// came through.
func dialTarget(e envoy.Endpoint) (traffic.Target, int) {
	if e.Port == harness.Port {
		url := "http://" + net.JoinHostPort(e.Address, strconv.Itoa(healthPort)) + "/healthz/ready"
		return traffic.Target{Name: e.String(), URL: url}, healthPort
	}
	return traffic.Target{Name: e.String(), URL: "https://" + net.JoinHostPort(e.Address, strconv.Itoa(e.Port)) + "/"}, e.Port
}

// dial probes the addresses that Envoy would use, from the sleep pods and past
// their sidecars, with one exec per consumer.
func (r *run) dial(ctx context.Context, cells []*cell, sights map[*member]*sight) map[*member]map[string]traffic.Answer {
	dials := map[*member]map[string]traffic.Answer{}
	for _, m := range r.members {
		dials[m] = map[string]traffic.Answer{}
	}
	r.each(func(m *member) {
		if !m.calls() {
			return
		}
		var targets []traffic.Target
		for _, c := range cells {
			if c.consumer != m {
				continue
			}
			for _, e := range sights[m].endpoints[c.clusterName()] {
				t, port := dialTarget(e)
				if slices.Contains(m.plan.DirectPorts, port) && !slices.Contains(targets, t) {
					targets = append(targets, t)
				}
			}
		}
		if len(targets) == 0 {
			return
		}
		output, _ := m.inSleep(ctx, traffic.Once(askBound, targets)...)
		for name, answers := range traffic.Parse(output) {
			dials[m][name] = answers[len(answers)-1]
		}
	})
	return dials
}
