package discovery

import (
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/snapshot"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// noPorts are the ports of a cluster without derived Services.
type noPorts struct{}

func (noPorts) Ports() (map[model.PortKey]uint16, bool) { return nil, true }
func (noPorts) Changed() <-chan struct{}                { return nil }

// start is a loop of an agent that has just been started, with what it remembers.
type start struct {
	*loop
	memory *memory
	read   bool
	names  []model.MemberName
}

func newStart(remembered ...model.MemberName) *start {
	loaded := snapshot.Shards{}
	for _, name := range remembered {
		loaded[name] = shardOf(name, model.Ready)
	}
	inbox := watch.NewInbox()
	s := &start{memory: newMemory(loaded, inbox), read: true, names: []model.MemberName{"east", "west"}}
	s.loop = &loop{
		own: "east", inbox: inbox, ports: noPorts{}, log: slog.New(slog.DiscardHandler), roots: func() []byte { return nil },
		expected:  func() ([]model.MemberName, bool) { return s.names, s.read },
		remembers: s.memory.remembers, took: func(string, time.Duration) {}, book: &book{}, links: &links{},
		shards: map[model.MemberName]*model.Shard{}, changed: map[model.ServiceKey]struct{}{}, ready: map[model.MemberName]bool{},
		translation: translation{from: model.Vantage{Member: "east", Network: "east"}, trust: "cluster.local"},
	}
	for _, name := range remembered {
		s.memory.recall(v1alpha1.MemberRecord{Name: string(name)})
	}
	return s
}

func (s *start) offer(name model.MemberName, state model.State) {
	shard := shardOf(name, state)
	if state == model.Joining && !s.memory.remembers(name) {
		shard.Services = model.Offers{}
	}
	s.memory.Offer(shard, []model.ServiceKey{cart})
	s.turn()
}

// TestTheFirstView is made when every member was listed, or does not answer and is known
// from before: what is remembered may be older than what gateways were told last.
func TestTheFirstView(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		remembered []model.MemberName
		offers     func(*start)
		// want are the exporters in the view; nil: there is none.
		want     []model.MemberName
		complete bool
		// kept are those that the next snapshot has.
		kept []model.MemberName
	}{
		"one is another cluster now, and was never listed": {
			nil, func(s *start) {
				s.late = true
				s.offer("east", model.Ready)
				s.offer("west", model.Quarantined)
			},
			[]model.MemberName{"east", "west"},
			false,
			[]model.MemberName{"east"},
		},
		"one is another cluster now, and is remembered": {
			[]model.MemberName{"west"},
			func(s *start) {
				s.offer("east", model.Ready)
				s.offer("west", model.Quarantined)
			},
			[]model.MemberName{"east", "west"},
			false,
			[]model.MemberName{"east", "west"},
		},
		"one became another cluster": {
			nil, func(s *start) {
				s.offer("east", model.Ready)
				s.offer("west", model.Ready)
				s.offer("west", model.Quarantined)
			},
			[]model.MemberName{"east", "west"},
			true,
			[]model.MemberName{"east", "west"},
		},
		"nobody is known":                {nil, func(s *start) { s.offer("east", model.Joining) }, nil, false, nil},
		"one is missing":                 {nil, func(s *start) { s.offer("east", model.Ready) }, nil, false, nil},
		"one is remembered, one missing": {[]model.MemberName{"west"}, func(s *start) { s.offer("west", model.Joining) }, nil, false, nil},
		"all are listed": {
			nil, func(s *start) { s.offer("east", model.Ready); s.offer("west", model.Ready) },
			[]model.MemberName{"east", "west"},
			true,
			[]model.MemberName{"east", "west"},
		},
		"all are remembered, and may answer yet": {
			[]model.MemberName{"east", "west"},
			func(s *start) { s.offer("east", model.Joining); s.offer("west", model.Joining) },
			nil, false, nil,
		},
		"all are remembered and away": {
			[]model.MemberName{"east", "west"},
			func(s *start) { s.offer("east", model.Degraded); s.offer("west", model.Degraded) },
			[]model.MemberName{"east", "west"},
			false,
			[]model.MemberName{"east", "west"},
		},
		"all are remembered and late": {
			[]model.MemberName{"east", "west"},
			func(s *start) { s.late = true; s.offer("east", model.Joining); s.offer("west", model.Joining) },
			[]model.MemberName{"east", "west"},
			false,
			[]model.MemberName{"east", "west"},
		},
		"one is remembered and away": {
			[]model.MemberName{"west"},
			func(s *start) { s.offer("east", model.Ready); s.offer("west", model.Degraded) },
			[]model.MemberName{"east", "west"},
			false,
			[]model.MemberName{"east", "west"},
		},
		"remembered and then listed": {
			[]model.MemberName{"east", "west"},
			func(s *start) {
				s.offer("east", model.Joining)
				s.offer("west", model.Joining)
				s.offer("east", model.Ready)
				s.offer("west", model.Ready)
			},
			[]model.MemberName{"east", "west"},
			true,
			[]model.MemberName{"east", "west"},
		},
		"one is late": {
			nil, func(s *start) { s.late = true; s.offer("east", model.Ready); s.offer("west", model.Joining) },
			[]model.MemberName{"east"},
			false,
			[]model.MemberName{"east"},
		},
		"the records are late": {
			nil, func(s *start) { s.late, s.read = true, false; s.offer("east", model.Ready) },
			[]model.MemberName{"east"},
			false, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStart(tc.remembered...)
			tc.offers(s)
			state := s.State()
			if state == nil {
				if tc.want != nil {
					t.Error("there is no view")
				}
				return
			}
			if tc.want == nil {
				t.Fatalf("there is a view: %+v", state)
			}
			exporters := slices.Sorted(slices.Values(state.View.Services.Get(cart).Exporters))
			kept := slices.Sorted(maps.Keys(state.Shards))
			if blind := len(tc.kept) < len(s.names) || !s.read; state.Blind != blind {
				t.Errorf("blind: %v, want %v", state.Blind, blind)
			}
			if !slices.Equal(exporters, tc.want) || state.Complete != tc.complete || !slices.Equal(kept, tc.kept) {
				t.Errorf("got %v, complete %v, kept %v", exporters, state.Complete, kept)
			}
		})
	}
}

// TestBesideIstioNothingIsTranslated: members there have no identities of gateways
// of ours, which is no problem of theirs.
func TestBesideIstioNothingIsTranslated(t *testing.T) {
	t.Parallel()
	s := newStart()
	s.offer("east", model.Ready)
	s.offer("west", model.Ready)
	state := s.State()
	if state == nil || len(state.Problems) > 0 {
		t.Errorf("%+v", state)
	}
}
