package plain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

// Weights reads what part of the shared service the consumer's own gateway gives
// each version: the agent writes into every endpoint whose it is. Where the derived
// Service leads to pods, kube-proxy gives each the same.
func (d *Dataplane) Weights(ctx context.Context, scene *verify.Scene, m *verify.Member) (map[string]float64, error) {
	one := d.of(m)
	one.read(ctx, one.reader())
	derived, found := one.known().Derived[harness.HelloName]
	if !found || len(derived.Endpoints) == 0 {
		return nil, errors.New("nothing is behind the derived Service of " + harness.HelloName)
	}
	if pods := serving(one.known().Gateway, derived); len(pods) > 0 {
		return one.gatewayWeights(ctx, scene, pods)
	}
	weights := noWeights(scene.Of(m))
	for _, other := range scene.Members {
		if other.Hello.Pod != nil && slices.Contains(derived.Endpoints, other.Hello.Pod.Status.PodIP) {
			weights[other.Version] += 1 / float64(len(derived.Endpoints))
		}
	}
	return weights, nil
}

// noWeights has a version of every member that should be there: one that turns out
// to have no endpoint has weight zero.
func noWeights(cells []*verify.Cell) map[string]float64 {
	weights := map[string]float64{}
	for _, c := range cells {
		if c.Testable() {
			weights[c.Producer.Version] = 0
		}
	}
	return weights
}

// serving are the pods of the gateway that are behind a derived Service.
func serving(gateway *facts.Gateway, derived facts.Derived) []facts.Pod {
	return slices.DeleteFunc(gateway.Ready(), func(p facts.Pod) bool { return !slices.Contains(derived.Endpoints, p.IP) })
}

// weighEvery is how often a gateway is asked again that has not yet checked all
// endpoints of a service that is new to it.
const weighEvery = time.Second

// gatewayWeights is what the pods of the gateway say, on average: kube-proxy picks
// one of them at random. An endpoint that does not pass its checks in time counts
// with the weight that it is meant to have: that its version never answers is for
// the verdict to say.
func (m *member) gatewayWeights(ctx context.Context, scene *verify.Scene, pods []facts.Pod) (map[string]float64, error) {
	bound, cancel := context.WithTimeout(ctx, scene.Converge)
	defer cancel()
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for {
		hosts, err := m.sharedHosts(ctx, pods)
		if err != nil {
			return nil, err
		}
		if allKnown(hosts, scene.Of(m.Member)) {
			return average(hosts, scene.Of(m.Member)), nil
		}
		select {
		case <-tick.C:
		case <-bound.Done():
			for i := range hosts {
				for k := range hosts[i] {
					hosts[i][k].Healthy = true
				}
			}
			return average(hosts, scene.Of(m.Member)), nil
		}
	}
}

// sharedHosts are the endpoints of the shared service in each pod of the gateway.
func (m *member) sharedHosts(ctx context.Context, pods []facts.Pod) ([][]envoy.Host, error) {
	name := envoy.Egress(harness.HelloName, m.Plan.Namespace, harness.Port)
	hosts := make([][]envoy.Host, len(pods))
	for i, pod := range pods {
		data, err := m.admin(ctx, pod.Name, envoy.ClustersPath(m.Plan.Namespace))
		if err != nil {
			return nil, err
		}
		clusters, err := envoy.ParseClusters(data)
		if err != nil {
			return nil, err
		}
		if hosts[i] = clusters[name]; len(hosts[i]) == 0 {
			return nil, fmt.Errorf("the Envoy of gateway pod %s has no endpoint for %s", pod.Name, name)
		}
	}
	return hosts, nil
}

// allKnown says that every pod of the gateway has a healthy endpoint of every
// member that should answer.
func allKnown(hosts [][]envoy.Host, cells []*verify.Cell) bool {
	for _, of := range hosts {
		for _, c := range cells {
			if c.Testable() && !slices.ContainsFunc(of, func(h envoy.Host) bool { return h.Healthy && h.Member == c.Producer.Name }) {
				return false
			}
		}
	}
	return true
}

// average is the weight of each version over all pods of the gateway.
func average(hosts [][]envoy.Host, cells []*verify.Cell) map[string]float64 {
	weights := noWeights(cells)
	for _, of := range hosts {
		shares := envoy.Shares(of)
		for _, c := range cells {
			if share := shares[c.Producer.Name]; share > 0 {
				weights[c.Producer.Version] += share / float64(len(hosts))
			}
		}
	}
	return weights
}
