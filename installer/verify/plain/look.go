package plain

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
	"github.com/eastwest-mesh/eastwest/internal/podforward"
)

// sight is what one pod of a gateway shows.
type sight struct {
	pod       string
	clusters  envoy.Clusters
	listeners []envoy.Listener
	stats     envoy.Stats
}

// Diagnose asks all gateways, probes the way to those of the producers, and judges
// each cell.
func (d *Dataplane) Diagnose(ctx context.Context, scene *verify.Scene, cells []*verify.Cell) {
	if len(cells) == 0 {
		return
	}
	scene.Step("", "look for the first broken hop of %d links", len(cells))
	sights := map[*verify.Member][]*sight{}
	var mu sync.Mutex // guards sights
	scene.Each(func(m *verify.Member) {
		one := d.of(m)
		one.read(ctx, one.reader())
		seen := one.look(ctx)
		mu.Lock()
		defer mu.Unlock()
		sights[m] = seen
	})
	credentials := d.credentials(ctx, scene)
	links := make([]chain.Link, len(cells))
	for i, c := range cells {
		links[i] = d.evidence(c, sights[c.Consumer], sights[c.Producer])
		links[i].Credential = credentials[c.Pair()]
	}
	d.dial(ctx, scene, cells, links)
	for i, c := range cells {
		verdict := chain.First(links[i])
		c.Verdict = &verdict
	}
}

// look asks the ready pods of the member's gateway, all at once. Those that do not
// answer are left out.
func (m *member) look(ctx context.Context) []*sight {
	pods := m.known().Gateway.Ready()
	seen := make([]*sight, len(pods))
	var all sync.WaitGroup
	for i, pod := range pods {
		all.Go(func() {
			if one, err := m.ask(ctx, pod.Name); err == nil {
				seen[i] = one
			}
		})
	}
	all.Wait()
	return slices.DeleteFunc(seen, func(s *sight) bool { return s == nil })
}

// ask asks the Envoy of one pod for all that a verdict needs.
func (m *member) ask(ctx context.Context, pod string) (*sight, error) {
	s := &sight{pod: pod}
	data, err := m.admin(ctx, pod, envoy.ClustersPath(m.Plan.Namespace))
	if err != nil {
		return nil, err
	}
	if s.clusters, err = envoy.ParseClusters(data); err != nil {
		return nil, err
	}
	if data, err = m.admin(ctx, pod, envoy.ListenersPath()); err != nil {
		return nil, err
	}
	if s.listeners, err = envoy.ParseListeners(data); err != nil {
		return nil, err
	}
	if data, err = m.admin(ctx, pod, envoy.StatsPath()); err != nil {
		return nil, err
	}
	s.stats = envoy.ParseStats(data)
	return s, nil
}

// admin asks the Envoy of a gateway pod, which answers inside of its pod only.
func (m *member) admin(ctx context.Context, pod, path string) ([]byte, error) {
	return m.Request(ctx, podforward.Target{Namespace: facts.Namespace, Pod: pod, Port: envoy.AdminPort}, path)
}

// evidence is all that was seen of a cell but for live probes.
func (d *Dataplane) evidence(c *verify.Cell, from, to []*sight) chain.Link {
	l := chain.Link{
		Service: c.Service(), Namespace: c.Consumer.Plan.Namespace, Port: harness.Port,
		Answer: c.Last, Works: c.Answered, Now: time.Now(),
		Consumer: d.of(c.Consumer).end(c.Consumer.Sleep), Producer: d.of(c.Producer).end(c.Producer.Hello),
	}
	l.Egress = egressOf(l, from)
	l.Inbound = inboundOf(l, to)
	return l
}

// end is one side of a link.
func (m *member) end(w harness.Workload) chain.End {
	e := chain.End{Name: m.Name, Facts: m.known(), Pod: chain.Pod{Ready: w.Ready, State: w.Reason}}
	if w.Pod != nil {
		e.Pod.Name, e.Pod.IP = w.Pod.Name, w.Pod.Status.PodIP
	}
	return e
}

// egressOf is what the consumer's gateway says. Where its pods differ, the one
// tells that knows least.
func egressOf(l chain.Link, sights []*sight) chain.Egress {
	var worst chain.Egress
	for _, s := range sights {
		hosts, known := s.clusters[envoy.Egress(l.Service, l.Namespace, l.Port)]
		target := l.Consumer.Facts.Derived[l.Service].Target
		one := chain.Egress{
			Read: true, Pod: s.pod, Connected: s.stats[envoy.Connected] == 1, Known: known,
			Listens: slices.ContainsFunc(s.listeners, func(x envoy.Listener) bool { return x.Port == target }),
			Hosts:   slices.DeleteFunc(slices.Clone(hosts), func(h envoy.Host) bool { return h.Member != l.Producer.Name }),
			Peers:   s.clusters[envoy.Peer(l.Producer.Name)], Refused: s.stats.Refused(l.Producer.Name),
		}
		if !worst.Read || healthy(one.Hosts) < healthy(worst.Hosts) {
			worst = one
		}
	}
	return worst
}

// inboundOf is what the producer's gateway says; again the pod that knows least.
func inboundOf(l chain.Link, sights []*sight) chain.Inbound {
	var worst chain.Inbound
	for _, s := range sights {
		hosts, known := s.clusters[envoy.SNI(l.Service, l.Namespace, l.Port)]
		one := chain.Inbound{
			Read: true, Pod: s.pod, Connected: s.stats[envoy.Connected] == 1, Known: known, Hosts: hosts,
			Listens: slices.ContainsFunc(s.listeners, func(x envoy.Listener) bool { return x.Name == envoy.InboundListener }),
		}
		if !worst.Read || len(one.Hosts) < len(worst.Hosts) {
			worst = one
		}
	}
	return worst
}

func healthy(hosts []envoy.Host) int {
	n := 0
	for _, h := range hosts {
		if h.Healthy {
			n++
		}
	}
	return n
}

// dial probes the addresses of the producers' gateways from the sleep pods, with
// one exec per consumer.
func (d *Dataplane) dial(ctx context.Context, scene *verify.Scene, cells []*verify.Cell, links []chain.Link) {
	scene.Each(func(m *verify.Member) {
		var targets []traffic.Target
		for i, c := range cells {
			if c.Consumer != m || c.Self() {
				continue
			}
			for _, address := range peers(links[i]) {
				t := traffic.Target{Name: address, URL: "https://" + address + "/"}
				if !slices.Contains(targets, t) {
					targets = append(targets, t)
				}
			}
		}
		dials := m.Dial(ctx, targets)
		for i, c := range cells {
			if c.Consumer != m || c.Self() {
				continue
			}
			links[i].Dials = map[string]traffic.Answer{}
			for _, address := range peers(links[i]) {
				if answer, tried := dials[address]; tried {
					links[i].Dials[address] = answer
				}
			}
		}
	})
}

// peers are where the consumer's gateway dials the producer's; where it could not
// be asked, what it should dial.
func peers(l chain.Link) []string {
	var all []string
	for _, h := range append(slices.Clone(l.Egress.Hosts), l.Egress.Peers...) {
		all = append(all, h.Address)
	}
	if len(all) == 0 {
		record, _ := l.Consumer.Facts.Record(l.Producer.Name)
		all = slices.Clone(record.Advertised)
	}
	if gateway := l.Producer.Facts.Gateway; len(all) == 0 && gateway != nil {
		for _, address := range gateway.Addresses {
			all = append(all, net.JoinHostPort(address, strconv.Itoa(facts.TLSPort)))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
