package discovery

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
)

// told are the names of what gateways are told of.
func (s *start) told() string {
	var names []string
	for _, one := range s.publisher.Dump(s.own) {
		names = append(names, one.Name)
	}
	return strings.Join(names, " ")
}

// TestEarly: while a member may answer yet, gateways are told of the others once nothing
// comes in any more. There is no view until the deadline.
func TestEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStart()
		s.publisher, s.deadline = publish.New(publish.Options{}), 10*time.Second
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = s.run(ctx) })
		defer running.Wait()
		defer cancel()
		after := func(d time.Duration) {
			time.Sleep(d) // virtual
			synctest.Wait()
		}
		s.memory.Offer(shardOf("west", model.Joining), nil)
		after(time.Second)
		if s.begun.Load() {
			t.Error("gateways are told of something before the own member was listed")
		}
		shard := shardOf("east", model.Ready)
		shard.Services = model.OffersOf(&model.Offer{Key: cart, Ports: []model.Port{{Name: "http", Number: 80}}})
		s.memory.Offer(shard, []model.ServiceKey{cart})
		after(hush - time.Millisecond)
		if s.begun.Load() {
			t.Error("gateways are told of something while members are being listed")
		}
		after(2 * time.Millisecond)
		if got := s.told(); !s.begun.Load() || !strings.Contains(got, "cart") || s.State() != nil {
			t.Errorf("gateways are told of %q, state %v", got, s.State())
		}
		after(10 * time.Second)
		if s.State() == nil || s.State().Complete {
			t.Errorf("state after the deadline: %+v", s.State())
		}
	})
}

// TestEarlyDecidesNothing: whose values hold is for the first view to say.
func TestEarlyDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newStart()
	s.publisher = publish.New(publish.Options{})
	s.precedence.incumbents = map[model.ServiceKey]model.MemberName{cart: "west"}
	s.offer("east", model.Ready)
	s.early()
	if s.State() != nil || s.view != nil || s.translation.view != nil || s.precedence.incumbents[cart] != "west" {
		t.Errorf("view %v, incumbents %v", s.view, s.precedence.incumbents)
	}
	s.offer("west", model.Ready)
	if got := s.State().View.Services.Get(cart).Exporters; len(got) != 2 || got[0] != "west" {
		t.Errorf("exporters %v, want west first", got)
	}
}
