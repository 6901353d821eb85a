package istio

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
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
	gateway          chain.Passthrough
	gatewayEndpoints map[string][]envoy.Endpoint
}

// Diagnose asks all proxies of the members, and judges each cell.
func (d *Dataplane) Diagnose(ctx context.Context, scene *verify.Scene, cells []*verify.Cell) {
	if len(cells) == 0 {
		return
	}
	scene.Step("", "look for the first broken hop of %d links", len(cells))
	sights := make(map[*verify.Member]*sight, len(scene.Members))
	for _, m := range scene.Members {
		sights[m] = &sight{}
	}
	scene.Each(func(m *verify.Member) {
		one := d.of(m)
		one.facts = one.reader().Read(ctx)
		one.look(ctx, sights[m])
	})
	credentials := d.credentials(ctx, scene)
	dials := d.dial(ctx, scene, cells, sights)
	for _, c := range cells {
		link := d.evidence(c, sights[c.Consumer], sights[c.Producer])
		link.Now = time.Now()
		link.Credential = credentials[c.Pair()]
		link.Dials = map[string]traffic.Answer{}
		for _, e := range link.View.Endpoints {
			if answer, ok := dials[c.Consumer][e.String()]; ok {
				link.Dials[e.String()] = answer
			}
		}
		link.Remembered = d.remembered(ctx, link, c)
		verdict := chain.First(link)
		c.Verdict = &verdict
	}
}

// look asks a member's proxies, all at once.
func (m *member) look(ctx context.Context, s *sight) {
	var all sync.WaitGroup
	if m.Sleep.Ready {
		all.Go(func() {
			data, err := m.sidecar(ctx, m.Sleep.Pod, m.services().ClustersPath())
			if err == nil {
				s.clusters, err = envoy.ParseClusters(data)
			}
			s.read = err == nil
		})
		all.Go(func() {
			if data, err := m.sidecar(ctx, m.Sleep.Pod, m.services().EndpointsPath()); err == nil {
				s.endpoints, _ = envoy.ParseEndpoints(data)
			}
		})
		all.Go(func() { s.caller, s.callerStats = m.identity(ctx, m.Sleep.Pod) })
	}
	if m.Hello.Ready {
		all.Go(func() { s.answerer, s.answererStats = m.identity(ctx, m.Hello.Pod) })
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
func (d *Dataplane) evidence(c *verify.Cell, from, to *sight) chain.Link {
	host := fullName(c.Service(), c.Consumer.Plan.Namespace)
	cluster, known := from.clusters[clusterName(c)]
	link := chain.Link{
		Host: host, Port: harness.Port, Answer: c.Last, Works: c.Answered,
		Consumer: d.of(c.Consumer).end(c.Consumer.Sleep, from.caller, from.callerStats),
		Producer: d.of(c.Producer).end(c.Producer.Hello, to.answerer, to.answererStats),
		View: chain.View{
			Read: from.read, Known: known, Cluster: cluster, Endpoints: from.endpoints[clusterName(c)],
		},
		Passthrough: to.gateway,
	}
	link.Passthrough.Endpoints = to.gatewayEndpoints[envoy.SNI(host, harness.Port)]
	return link
}

// clusterName is the name in Envoy of the cell's Service.
func clusterName(c *verify.Cell) string {
	return envoy.ClusterName(fullName(c.Service(), c.Consumer.Plan.Namespace), harness.Port)
}

func fullName(service, namespace string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local", service, namespace)
}

// end is one side of a link.
func (m *member) end(w harness.Workload, identity *envoy.Identity, stats envoy.Stats) chain.End {
	e := chain.End{
		Name: m.Name, ClusterID: m.ClusterID, Namespace: m.Plan.Namespace,
		Facts: m.facts, Identity: identity, Stats: stats,
		Pod: chain.Pod{Ready: w.Ready, State: w.Reason},
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
func (d *Dataplane) dial(ctx context.Context, scene *verify.Scene, cells []*verify.Cell, sights map[*verify.Member]*sight) map[*verify.Member]map[string]traffic.Answer {
	dials := map[*verify.Member]map[string]traffic.Answer{}
	var mu sync.Mutex // guards dials
	scene.Each(func(m *verify.Member) {
		var targets []traffic.Target
		for _, c := range cells {
			if c.Consumer != m {
				continue
			}
			for _, e := range sights[m].endpoints[clusterName(c)] {
				t, port := dialTarget(e)
				if slices.Contains(m.Plan.DirectPorts, port) && !slices.Contains(targets, t) {
					targets = append(targets, t)
				}
			}
		}
		seen := m.Dial(ctx, targets)
		mu.Lock()
		defer mu.Unlock()
		dials[m] = seen
	})
	return dials
}
