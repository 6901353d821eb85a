//go:build e2e

package differential

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

const (
	// operations are how many changes the random part makes; both servers are asked
	// after some of them.
	operations, between = 60, 5
	// randomServices is how many services they are about.
	randomServices = 4
	// randomSlices is how many slices each may have in a cluster.
	randomSlices = 3
)

// random is a sequence of changes to services "random-N" of both clusters. It stays
// within what both see alike: slices share no address, no endpoint is draining, a
// service has the same ports in both clusters, and slices go before their service: those
// of a Service that goes right after it came stay in use with istiod, as was seen, for as
// long as they are there.
type random struct {
	*rand.Rand
	services, slices map[string]bool
}

func testRandom(t *testing.T, w *world) {
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("EASTWEST_SEED"), strconv.FormatInt(time.Now().UnixNano(), 10)), 10, 64)
	if err != nil {
		t.Fatalf("EASTWEST_SEED: %v", err)
	}
	t.Logf("repeat with EASTWEST_SEED=%d", seed)
	r := &random{rand.New(rand.NewPCG(seed, 0)), map[string]bool{}, map[string]bool{}}
	compared := 0
	for i := 1; i <= operations; i++ {
		t.Logf("%d: %s", i, r.change(t, w.in(1+r.IntN(2))))
		if i%between == 0 {
			isRandom := func(service string) bool { return len(service) == len(randomService(0)) && service[:2] == "r-" }
			compared += w.awaitSame(t).only(isRandom).ports()
		}
	}
	t.Logf("%d answers on random services were equal", compared)
	if compared == 0 {
		t.Error("no random service had a host at any time: nothing was compared")
	}
}

func randomService(n int) string { return fmt.Sprintf("r-%d", n) }

// change makes one change in a cluster and says which.
func (r *random) change(t *testing.T, c at) string {
	n := r.IntN(randomServices)
	name := randomService(n)
	ports, targets := words("http:80"), words("http:8080")
	if n%2 == 1 {
		ports, targets = words("http:80 admin:81"), words("http:8080 admin:8081")
	}
	here := fmt.Sprintf("c%d %s", c.cluster, name)
	switch {
	case !r.services[here] || r.IntN(10) == 0:
		r.services[here] = true
		c.service(t, name, ports)
		return here + ": Service is there"
	case r.IntN(10) == 0:
		r.services[here] = false
		for s := range randomSlices {
			slice := fmt.Sprintf("%s-%d", name, s)
			if here := fmt.Sprintf("c%d %s", c.cluster, slice); r.slices[here] {
				r.slices[here] = false
				c.deleteSlice(t, slice)
			}
		}
		c.deleteService(t, name)
		return here + ": Service is gone"
	}
	s := r.IntN(randomSlices)
	slice := fmt.Sprintf("%s-%d", name, s)
	if here := fmt.Sprintf("c%d %s", c.cluster, slice); r.slices[here] && r.IntN(6) == 0 {
		r.slices[here] = false
		c.deleteSlice(t, slice)
		return here + ": slice is gone"
	} else {
		r.slices[here] = true
	}
	if r.IntN(3) == 0 {
		targets = targets[:1]
	}
	endpoints := r.endpoints(fmt.Sprintf("10.%d.%d", c.cluster, 200+n*10+s))
	c.slice(t, slice, targets, endpoints...)
	return fmt.Sprintf("c%d %s: %v at %v", c.cluster, slice, targets, endpoints)
}

// endpoints are some of those that begin with a prefix.
func (r *random) endpoints(prefix string) []string {
	var all []string
	for i := range 5 {
		if r.IntN(2) == 0 {
			continue
		}
		word := []string{"ready", "ready", "unready", "ending"}[r.IntN(4)]
		all = append(all, fmt.Sprintf("%s.%d,%s,zone=%c", prefix, i+1, word, 'a'+r.IntN(2)))
	}
	return all
}
