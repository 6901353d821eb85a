package istio

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// Standing looks at the discovery of every pair, also where traffic flows: an
// istiod remembers a cluster that it lost, until it restarts.
func (d *Dataplane) Standing(ctx context.Context, scene *verify.Scene) []verify.Standing {
	var all []verify.Standing
	credentials := d.credentials(ctx, scene)
	for _, c := range scene.Cells {
		if !c.Expected || c.Self() || c.Consumer.Err != nil || c.Producer.Err != nil {
			continue
		}
		link := d.evidence(c, &sight{}, &sight{})
		link.Now = time.Now()
		link.Credential = credentials[c.Pair()]
		if len(chain.Standing(link)) == 0 {
			continue
		}
		link.Remembered = d.remembered(ctx, link, c)
		for _, verdict := range chain.Standing(link) {
			all = append(all, verify.Standing{Pair: c.Pair(), Verdict: verdict, Works: c.Answered})
		}
	}
	return all
}

// credentials tries what every consumer holds for every producer.
func (d *Dataplane) credentials(ctx context.Context, scene *verify.Scene) map[verify.Pair]chain.Credential {
	all := map[verify.Pair]chain.Credential{}
	var mu sync.Mutex // guards all
	scene.Each(func(consumer *verify.Member) {
		mine := map[verify.Pair]chain.Credential{}
		for _, producer := range scene.Members {
			if producer != consumer && producer.Err == nil {
				mine[verify.Pair{Consumer: consumer.Name, Producer: producer.Name}] = d.credential(ctx, scene, consumer, producer)
			}
		}
		dialAPIs(ctx, consumer, mine)
		mu.Lock()
		defer mu.Unlock()
		maps.Copy(all, mine)
	})
	return all
}

// credential finds and tries the consumer's entry for a producer. A consumer
// without an istiod of its own is served by another cluster's and needs none.
func (d *Dataplane) credential(ctx context.Context, scene *verify.Scene, consumer, producer *verify.Member) chain.Credential {
	read := d.of(consumer).facts
	c := chain.Credential{
		Expected: len(read.Istiods) > 0 && producer.ClusterID != "" &&
			read.Knows(facts.PartSecrets) && read.Knows(facts.PartIstiod),
	}
	for _, s := range read.RemoteSecrets {
		if s.ClusterID == producer.ClusterID {
			c.Secret = &s
			c.Status = producer.Accepts(ctx, s.Token)
			return c
		}
	}
	for _, s := range read.RemoteSecrets {
		if !isMember(scene, s.ClusterID) && producer.Accepts(ctx, s.Token) == http.StatusOK {
			c.Misfiled = &s
			return c
		}
	}
	return c
}

func isMember(scene *verify.Scene, id string) bool {
	return slices.ContainsFunc(scene.Members, func(m *verify.Member) bool { return m.ClusterID == id })
}

// dialAPIs probes the addresses in the consumer's remote secrets from its sleep
// pod. One behind a proxy of its own is left alone.
func dialAPIs(ctx context.Context, consumer *verify.Member, credentials map[verify.Pair]chain.Credential) {
	var targets []traffic.Target
	for pair, c := range credentials {
		if c.Secret != nil && c.Secret.Proxy == "" && c.Secret.Server != "" {
			targets = append(targets, traffic.Target{Name: pair.Producer, URL: c.Secret.Server + "/version"})
		}
	}
	for name, answer := range consumer.Dial(ctx, targets) {
		pair := verify.Pair{Consumer: consumer.Name, Producer: name}
		c := credentials[pair]
		c.Dial = &answer
		credentials[pair] = c
	}
}

// remembered counts the services of others that the consumer's Envoy still
// sends to the producer's gateway, where discovery is broken and this link does
// not answer: istiod goes on serving what it had learnt.
func (d *Dataplane) remembered(ctx context.Context, link chain.Link, c *verify.Cell) int {
	if c.Answered || !c.Consumer.Calls() || len(chain.Standing(link)) == 0 {
		return 0
	}
	data, err := d.of(c.Consumer).sidecar(ctx, c.Consumer.Sleep.Pod, envoy.AllEndpointsPath())
	if err != nil {
		return 0
	}
	endpoints, err := envoy.ParseEndpoints(data)
	if err != nil {
		return 0
	}
	var addresses []string
	for _, g := range d.of(c.Producer).facts.Gateways {
		addresses = append(addresses, g.Addresses...)
	}
	n := 0
	for _, all := range endpoints {
		if slices.ContainsFunc(all, func(e envoy.Endpoint) bool { return slices.Contains(addresses, e.Address) }) {
			n++
		}
	}
	return n
}
