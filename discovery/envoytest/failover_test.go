//go:build envoy

package envoytest

import (
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
)

// pair is a service with a pod in each of two members, both gateways, and a prober
// that speaks to it from c1.
type pair struct {
	*mesh
	port          model.PortKey
	local, remote *pod
	gateways      map[model.MemberName]*gateway
	// at is where clients in c1 reach the service.
	at string
}

func newPair(t *testing.T, port model.Port) *pair {
	t.Helper()
	m := newMesh(t, c1, c2)
	p := &pair{mesh: m, gateways: map[model.MemberName]*gateway{}}
	if port == requests {
		p.local, p.remote = m.webPod(c1), m.webPod(c2)
	} else {
		p.local, p.remote = m.pod(c1), m.pod(c2)
	}
	p.port = m.export("shared", port, map[model.MemberName][]string{c1: {p.local.address}, c2: {p.remote.address}})
	p.at = m.egress(c1, p.port)
	m.publish()
	p.gateways[c2] = m.gateway(c2)
	p.gateways[c1] = m.gateway(c1)
	await(t, "the remote gateway is healthy", patience, p.remoteHealth)
	return p
}

func (p *pair) remoteHealth() error {
	return p.gateways[c1].health(translate.EgressName(p.port), p.inbound(c2))
}

// connect makes a connection.
func (p *pair) connect() (string, error) { return greet(p.at) }

// only waits until a prober sees one pod and no error for 20 times.
func only(t *testing.T, prober *prober, one *pod, bound time.Duration) {
	t.Helper()
	seen := 0
	await(t, "all goes to "+one.address, bound, func() error {
		counts, failed := prober.take()
		if len(failed) > 0 || len(counts) > 1 || counts[one.address] == 0 && len(counts) > 0 {
			seen = 0
			return fmt.Errorf("%v, %d errors", counts, len(failed))
		}
		if seen += counts[one.address]; seen < 20 {
			return fmt.Errorf("%d so far", seen)
		}
		return nil
	})
}

// failed counts what a prober saw fail from now until done is over.
func failed(prober *prober, done func()) (count, of int, last error) {
	_, _ = prober.take()
	before := prober.total.Load()
	failedBefore := prober.failed.Load()
	done()
	if count = int(prober.failed.Load() - failedBefore); count > 0 {
		last = prober.lastError()
	}
	return count, int(prober.total.Load() - before), last
}

// TestLocalPodDies has the pod next to the gateway die: the other member's takes
// over, for connections and for requests of one connection.
func TestLocalPodDies(t *testing.T) {
	t.Parallel()
	for name, port := range map[string]model.Port{"connections": database, "requests": requests} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, port)
			once := p.connect
			if port == requests {
				once = newCaller(t, p.at, true).call
			}
			prober := probe(t, once)
			await(t, "both pods answer", patience, func() error { return missing(shares(20, once), p.local, p.remote) })
			count, of, err := failed(prober, func() {
				p.local.stop()
				only(t, prober, p.remote, patience)
			})
			t.Logf("figure: %d of %d %s failed", count, of, name)
			// One may be under way when the pod dies.
			if count > 1 {
				t.Errorf("%d of %d %s failed, the last: %v", count, of, name, err)
			}
		})
	}
}

// TestRemoteGatewayDies has a gateway die and come back: what is in reach serves
// meanwhile, and the gateway gets its share again.
func TestRemoteGatewayDies(t *testing.T) {
	t.Parallel()
	for name, port := range map[string]model.Port{"connections": database, "requests": requests} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, port)
			once := p.connect
			if port == requests {
				once = newCaller(t, p.at, true).call
			}
			prober := probe(t, once)
			await(t, "both pods answer", patience, func() error { return missing(shares(20, once), p.local, p.remote) })
			count, of, err := failed(prober, func() {
				p.gateways[c2].kill()
				only(t, prober, p.local, patience)
			})
			t.Logf("figure: death: %d of %d %s failed", count, of, name)
			if count > 1 {
				t.Errorf("death: %d of %d %s failed, the last: %v", count, of, name, err)
			}
			count, of, err = failed(prober, func() {
				p.gateways[c2].start()
				p.gateways[c2].awaitLive()
				t.Logf("figure: the gateway has its share %v after it is live", await(t, "its share", 20*time.Second, func() error {
					return missing(shares(10, once), p.local, p.remote)
				}).Round(100*time.Millisecond))
			})
			t.Logf("figure: return: %d of %d %s failed", count, of, name)
			if count > 0 {
				t.Errorf("return: %d of %d %s failed, the last: %v", count, of, name, err)
			}
			even(t, "after the return", shares(200, once), p.local, p.remote)
		})
	}
}
