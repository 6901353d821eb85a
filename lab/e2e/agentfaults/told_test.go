//go:build e2e

package agentfaults

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// awaitShare waits until a member has so much of the service cart.
func (g *gateway) awaitShare(t *testing.T, namespace, member string, want share) time.Duration {
	t.Helper()
	return await(t, fmt.Sprintf("the gateway was told that %s has %+v", member, want), func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if got := g.shareLocked("cart."+namespace, member); got != want {
			return fmt.Errorf("it has %+v of %v; the stream: %v", got, g.services, g.err)
		}
		return nil
	})
}

// awaitService waits until a service and its endpoints were told.
func (g *gateway) awaitService(t *testing.T, namespace, name string) {
	t.Helper()
	await(t, "the gateway was told of "+name, func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		return unless(g.shareLocked(name+"."+namespace, "c2").weight > 0, "it was told of %v; the stream: %v", g.services, g.err)
	})
	g.settle(t)
}

// mark begins to look at what the gateway is told of a member's part of cart.
func (g *gateway) mark(namespace, member string) told {
	g.mu.Lock()
	defer g.mu.Unlock()
	service := "cart." + namespace
	g.least = map[string]int{service + " " + member: g.shareLocked(service, member).weight}
	return g.told
}

// settle waits until all is read that the agent said on account of what it knew
// before: it asks for a name that does not exist, and whatever was sent earlier
// arrives earlier than the answer.
func (g *gateway) settle(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	g.barriers++
	number := g.barriers
	g.stream.Subscribe(xdsclient.Secrets, strconv.Itoa(number))
	g.mu.Unlock()
	await(t, "the agent answers its gateway", func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		return unless(g.passed >= number, "it does not; the stream: %v", g.err)
	})
}

// wantToldNothing wants that nothing at all was said since.
func (g *gateway) wantToldNothing(t *testing.T, since told) {
	t.Helper()
	g.settle(t)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.told != since || g.err != nil {
		t.Errorf("the gateway was told something: before %+v, after %+v, stream: %v", since, g.told, g.err)
	}
}

// wantLeast wants that no member had less meanwhile.
func (g *gateway) wantLeast(t *testing.T, want int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, least := range g.least {
		if least < want {
			t.Errorf("%s had %d for a while, want no less than %d", key, least, want)
		}
	}
}

// removed counts the names that were taken away since the stream began.
func (g *gateway) removed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.told.removed
}
