package discovery

import (
	"maps"
	"slices"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// farewell is how long peers can still call a service that was withdrawn: each of
// them learns of it by itself, and until then sends what must not be refused.
const farewell = 10 * time.Second

// parting is an inbound cluster of a port that is offered no more.
type parting struct {
	until     time.Time
	cluster   *clusterv3.Cluster
	endpoints *eds.Assignment
}

// part notes what is left of a service's translation before. A service with an
// audience of its own parts at once: its chains are gone from the listener, and
// those that remain admit everybody.
func (t *translation) part(key model.ServiceKey, before, after translate.Set, now time.Time) {
	offered := map[string]bool{}
	for _, cluster := range after.Clusters {
		offered[cluster.Name] = true
		delete(t.partings, cluster.Name)
	}
	if _, narrow := t.admit[key]; narrow {
		return
	}
	for i, cluster := range before.Clusters {
		if offered[cluster.Name] || !translate.IsInbound(cluster.Name) {
			continue
		}
		if t.partings == nil {
			t.partings = map[string]parting{}
		}
		t.partings[cluster.Name] = parting{until: now.Add(farewell), cluster: cluster, endpoints: before.Endpoints[i]}
	}
}

// parted ends the farewells that lasted long enough, and reports whether any did.
func (t *translation) parted(now time.Time) bool {
	before := len(t.partings)
	maps.DeleteFunc(t.partings, func(_ string, one parting) bool { return !one.until.After(now) })
	return len(t.partings) < before
}

// nextParting gets a value when the next farewell ends; nil where there is none.
func (t *translation) nextParting(now time.Time) <-chan time.Time {
	if len(t.partings) == 0 {
		return nil
	}
	next := slices.MinFunc(slices.Collect(maps.Values(t.partings)), func(a, b parting) int { return a.until.Compare(b.until) })
	return time.After(next.until.Sub(now))
}

// addPartings adds what peers can still call.
func (t *translation) addPartings(to *publish.Set) {
	for _, one := range t.partings {
		to.Clusters = append(to.Clusters, one.cluster)
		to.Endpoints = append(to.Endpoints, one.endpoints)
	}
}
