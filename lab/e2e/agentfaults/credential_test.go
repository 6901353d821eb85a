//go:build e2e

package agentfaults

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// by is a configuration with another credential.
func by(config *rest.Config, token string) *rest.Config {
	config = rest.CopyConfig(config)
	config.BearerToken = token
	return config
}

// TestF17 revokes the token of a member and cuts the connection.
func TestF17(t *testing.T) {
	slow(t)
	namespace, account := shop(t, 20, peer), newReader(t, peer, "revoked")
	front, config := faultproxy.NewFront(t, peer.Config())
	token := account.token(t)
	a := start(t, options{namespace: namespace, members: []member{{"c2", by(config, token)}}})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	awaitShown(t, "c2", "ready", "watched")
	since := g.mark(namespace, "c2")
	account.revoke(t)
	await(t, "the API server refuses the token", func(ctx context.Context) error {
		return refuses(ctx, by(peer.Config(), token))
	})
	front.Reset()
	a.awaitFault(t, "c2", "degraded", "Unauthorized", "")
	asked, lines := len(front.Requests()), a.logged("\n")
	a.pass(t, 65*time.Second)
	if asked = len(front.Requests()) - asked; asked < 1 || asked > 3 {
		t.Errorf("%d requests in 65 s, want one in 30 s", asked)
	}
	if lines = a.logged("\n") - lines; lines > 5 {
		t.Errorf("%d lines were logged in 65 s", lines)
	}

	// Its neighbour: the next credential is refused, too; the one after it is not.
	a.record(t, member{"c2", by(config, "nobody")})
	a.awaitStanding(t, "c2", "shows the credential that is refused", func(s standing) bool {
		return s.State == "degraded" && len(s.Pending) == 1 && s.Pending[0].Reason == "Unauthorized"
	})
	g.wantToldNothing(t, since)
	account = newReader(t, peer, "revoked")
	a.record(t, member{"c2", by(config, account.token(t))})
	a.awaitState(t, "c2", "ready")
	g.wantToldNothing(t, since)
}

// refuses wants an API server not to know a credential.
func refuses(ctx context.Context, config *rest.Config) error {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	_, status, err := get(ctx, client, config.Host+"/api/v1/services")
	return errors.Join(err, unless(status == 401, "it answers %d", status))
}

// rotations is how many F18 makes.
const rotations = 100

// TestF18 rotates the credential of a member again and again, while its endpoints
// change.
func TestF18(t *testing.T) {
	slow(t)
	namespace, account := shop(t, 20, peer), newReader(t, peer, "rotated")
	config := by(peer.Config(), account.token(t))
	// It collects its garbage often, so that what it says of its memory is of now.
	a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, secrets: true, env: []string{"GOGC=10"}})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	swapped := func(count int) {
		t.Helper()
		a.awaitStanding(t, "c2", fmt.Sprintf("has its credential number %d", count), func(s standing) bool {
			return s.Watched["swaps"] == count && s.State == "ready" && len(s.Pending) == 0
		})
	}
	rotate := func(i int) {
		a.record(t, member{"c2", by(config, account.token(t))})
		peer.endpoints(t, namespace, "cart", 20+i%10)
		swapped(i)
		g.awaitShare(t, namespace, "c2", share{weight: 20 + i%10})
	}
	const first = 5 // it has all it will ever need then
	for i := range first {
		rotate(i + 1)
	}
	g.mark(namespace, "c2")
	before, removed := a.size(t), g.removed()
	for i := first; i < rotations; i++ {
		if i%10 == 0 {
			// Its neighbour: a credential between them is refused, and never in use.
			a.record(t, member{"c2", by(config, "nobody")})
			a.awaitStanding(t, "c2", "shows the credential that is refused", func(s standing) bool {
				return s.State == "ready" && len(s.Pending) == 1
			})
		}
		rotate(i + 1)
	}
	g.wantLeast(t, 20)
	if now := g.removed(); now != removed {
		t.Errorf("%d names were removed", now-removed)
	}
	// Connections that were closed are in memory until they would have been idle for too
	// long, 90 s, and garbage is collected within two minutes more.
	var after size
	defer func() { t.Logf("before %+v, after %+v", before, after) }()
	rig.Await(t, "it is as small as before", 5*time.Minute, func(context.Context) error {
		after = a.size(t)
		return errors.Join(
			unless(after.routines <= before.routines*1.05+1, "%v goroutines, before %v", after.routines, before.routines),
			unless(after.files <= before.files+1, "%d files, before %d", after.files, before.files),
			unless(after.heap <= before.heap*1.25, "a heap of %v bytes, before %v", after.heap, before.heap))
	})
}

// size is what a process takes.
type size struct {
	// heap is that at which garbage is collected next, a tenth above what is in use.
	routines, heap float64
	files          int
}

func (a *agent) size(t *testing.T) size {
	t.Helper()
	return size{routines: a.metric(t, "go_goroutines"), heap: a.metric(t, "go_memstats_next_gc_bytes"), files: a.files(t)}
}

// TestF19 takes the right to one resource of a member away.
func TestF19(t *testing.T) {
	for _, tc := range []struct {
		resource, full string
		faults         int
	}{
		{"endpointslices", "endpointslices.discovery.k8s.io", 1},
		// Its neighbour: another resource, which the gateway's address is read from as
		// well; and endpoints go on.
		{"services", "services", 2},
	} {
		t.Run(tc.resource, func(t *testing.T) {
			namespace, account := shop(t, 20, peer), newReader(t, peer, "limited")
			proxy, config := faultproxy.New(t, peer.Config())
			a := start(t, options{namespace: namespace, members: []member{{"c2", by(config, account.token(t))}}})
			g := a.connect(t, nil)
			g.awaitShare(t, namespace, "c2", share{weight: 20})
			g.mark(namespace, "c2")
			account.allow(t, readable(tc.resource))
			// Rights are asked for when a watch begins.
			await(t, "the member is degraded", func(ctx context.Context) error {
				proxy.Cut()
				s, err := a.standing(ctx, "c2")
				return errors.Join(err, unless(s.has("Forbidden", ""), "it is %+v", s))
			})
			a.awaitFault(t, "c2", "degraded", "Forbidden", "list and watch "+tc.full)
			services := a.now(t, "c2").Services
			if tc.resource == "services" {
				peer.endpoints(t, namespace, "cart", 21)
				g.awaitShare(t, namespace, "c2", share{weight: 21})
			} else {
				peer.makeService(t, namespace, "pay")
				a.awaitStanding(t, "c2", "offers another service", func(s standing) bool { return s.Services == services+1 })
			}
			// Those that were cut alone are in trouble for moments.
			a.awaitStanding(t, "c2", "has no other trouble", func(s standing) bool { return len(s.Faults) == tc.faults })
			account.allow(t, readable(""))
			a.awaitState(t, "c2", "ready")
			g.wantLeast(t, 20)
		})
	}
}
