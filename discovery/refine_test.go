package discovery

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/probe"
	"github.com/eastwest-mesh/eastwest/discovery/resolve"
	"github.com/eastwest-mesh/eastwest/discovery/snapshot"
)

// book is an address book that a test writes.
type book struct {
	answers resolve.Answers
	wanted  map[model.MemberName][]model.HostPort
	changed chan struct{}
}

func (b *book) Want(gateways map[model.MemberName][]model.HostPort) { b.wanted = gateways }
func (b *book) Answers() resolve.Answers                            { return b.answers }
func (b *book) Changed() <-chan struct{}                            { return b.changed }

// links are results of probes that a test writes.
type links struct {
	results map[model.MemberName]probe.Result
	changed chan struct{}
}

func (l *links) Changed() <-chan struct{} { return l.changed }
func (l *links) Result(name model.MemberName) (probe.Result, bool) {
	result, known := l.results[name]
	return result, known
}

const lb = "lb.example.com"

var (
	named    = model.HostPort{Host: lb, Port: 15443}
	answered = model.HostPort{Host: "192.0.2.7", Port: 15443, Name: lb}
	good     = resolve.Answers{lb: {Addresses: []netip.Addr{netip.MustParseAddr(answered.Host)}}}
)

// TestNamesBecomeAddresses in the view and in what a snapshot has.
func TestNamesBecomeAddresses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers resolve.Answers
		cidrs   []netip.Prefix
		// network of the member west; its own where it is empty.
		network model.NetworkID
		want    []model.HostPort
		reason  string
	}{
		"an answer":                       {answers: good, want: []model.HostPort{answered}},
		"no answer":                       {answers: resolve.Answers{lb: {Failure: "why"}}, reason: resolve.Unresolved},
		"an answer outside of the CIDRs":  {answers: good, cidrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, reason: resolve.Denied},
		"a member that nobody has to ask": {answers: good, network: "east", want: []model.HostPort{named}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStart()
			s.book = &book{answers: tc.answers}
			shard := shardOf("west", model.Ready, named)
			shard.Member.GatewayCIDRs = tc.cidrs
			if tc.network != "" {
				shard.Member.Network = tc.network
			}
			s.memory.Offer(shard, []model.ServiceKey{cart})
			s.offer("east", model.Ready)
			state := s.State()
			if state == nil {
				t.Fatal("there is no view")
			}
			for from, got := range map[string][]model.HostPort{"view": state.View.Members["west"].Gateways, "snapshot": state.Shards["west"].Member.Gateways} {
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s (-want +got)\n%s", from, diff)
				}
			}
			reason := ""
			for _, one := range state.Problems {
				reason += string(one.Reason)
			}
			if reason != tc.reason {
				t.Errorf("problems %+v, want %q", state.Problems, tc.reason)
			}
			if diff := cmp.Diff([]model.HostPort{named}, shard.Member.Gateways); diff != "" {
				t.Errorf("the shard was changed (-want +got)\n%s", diff)
			}
		})
	}
}

// TestWhatKeepsAnEndpointAway is no name whose addresses of before are in use.
func TestWhatKeepsAnEndpointAway(t *testing.T) {
	t.Parallel()
	for addresses, want := range map[string]int{"": 1, answered.Host: 0} {
		s := newStart()
		answer := resolve.Answer{Failure: "why"}
		if addresses != "" {
			answer.Addresses = []netip.Addr{netip.MustParseAddr(addresses)}
		}
		s.book = &book{answers: resolve.Answers{lb: answer}}
		s.memory.Offer(shardOf("west", model.Ready, named), []model.ServiceKey{cart})
		s.offer("east", model.Ready)
		if got := untranslated(s.State()); len(got) != want || len(s.State().Problems) != 1 {
			t.Errorf("%q: %+v of %+v", addresses, got, s.State().Problems)
		}
	}
}

// TestTheFirstViewWaitsForNames: gateways that have addresses already must not lose
// them because the agent was restarted; and not for ever.
func TestTheFirstViewWaitsForNames(t *testing.T) {
	t.Parallel()
	s := newStart()
	names := &book{}
	s.book = names
	s.memory.Offer(shardOf("west", model.Ready, named), []model.ServiceKey{cart})
	s.offer("east", model.Ready)
	if s.State() != nil {
		t.Error("the view came before the name was looked up")
	}
	if diff := cmp.Diff(map[model.MemberName][]model.HostPort{"west": {named}}, names.wanted); diff != "" {
		t.Errorf("wanted (-want +got)\n%s", diff)
	}
	s.late = true
	s.turn()
	if s.State() == nil {
		t.Fatal("DNS holds up the view for ever")
	}
	names.answers = good
	s.turn()
	if diff := cmp.Diff([]model.HostPort{answered}, s.State().View.Members["west"].Gateways); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	view := s.State().View
	s.turn()
	if s.State().View != view {
		t.Error("an answer equal to the one before makes another view")
	}
}

// TestDemotion (of members whose API and gateway are both lost, and of nobody else).
func TestDemotion(t *testing.T) {
	t.Parallel()
	s := newStart()
	found := &links{results: map[model.MemberName]probe.Result{}}
	s.links = found
	s.offer("east", model.Ready)
	at := model.HostPort{Host: "192.0.2.1", Port: 15443}
	for i, step := range []struct {
		state model.State
		link  *probe.Result
		want  bool
	}{
		{model.Ready, nil, false},
		{model.Ready, &probe.Result{Hop: probe.HopTCP}, false},
		{model.Degraded, &probe.Result{Hop: probe.HopTCP}, false},
		{model.Stale, nil, false},
		{model.Stale, &probe.Result{OK: true}, false},
		{model.Stale, &probe.Result{Hop: probe.HopTCP}, true},
		{model.Stale, &probe.Result{OK: true}, false},
		{model.Stale, &probe.Result{Hop: probe.HopTLS}, true},
		{model.Ready, &probe.Result{Hop: probe.HopTLS}, false},
	} {
		delete(found.results, "west")
		if step.link != nil {
			found.results["west"] = *step.link
		}
		s.memory.Offer(shardOf("west", step.state, at), nil)
		s.turn()
		west := s.State().View.Members["west"]
		if west.Demoted != step.want || s.State().View.Services.Get(cart) == nil {
			t.Errorf("step %d: demoted %v, want %v", i+1, west.Demoted, step.want)
		}
	}
}

// TestTheLoopWakes when a name has another address or a link is another one.
func TestTheLoopWakes(t *testing.T) {
	t.Parallel()
	s := newStart()
	names, found := &book{changed: make(chan struct{}), answers: good}, &links{changed: make(chan struct{})}
	s.book, s.links, s.deadline = names, found, time.Hour
	s.memory.Offer(shardOf("east", model.Ready), []model.ServiceKey{cart})
	s.memory.Offer(shardOf("west", model.Stale, named), []model.ServiceKey{cart})
	news := s.subscribe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	<-news
	for name, waker := range map[string]chan struct{}{"names": names.changed, "links": found.changed} {
		waker <- struct{}{}
		select {
		case <-news:
		case <-time.After(10 * time.Second):
			t.Errorf("%s do not wake the loop", name)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestASnapshotHasNamesAndAddresses: what members said is recalled, and what their
// names stood for is known before DNS is asked.
func TestASnapshotHasNamesAndAddresses(t *testing.T) {
	t.Parallel()
	said, known := unrefined(snapshot.Shards{"west": shardOf("west", model.Ready, answered, model.HostPort{Host: "192.0.2.1", Port: 15443})})
	want := []model.HostPort{named, {Host: "192.0.2.1", Port: 15443}}
	if diff := cmp.Diff(want, said["west"].Member.Gateways); diff != "" || said["west"].Services.Len() == 0 {
		t.Errorf("(-want +got)\n%s", diff)
	}
	book := resolve.New(resolve.Options{Known: known})
	book.Want(map[model.MemberName][]model.HostPort{"west": want})
	addresses, problems := resolve.Apply(want, nil, book.Answers())
	if diff := cmp.Diff([]model.HostPort{answered, want[1]}, addresses); diff != "" || len(problems) > 0 {
		t.Errorf("problems %v (-want +got)\n%s", problems, diff)
	}
}

// TestDemotionIsShown in the object of the member.
func TestDemotionIsShown(t *testing.T) {
	t.Parallel()
	for _, demoted := range []bool{false, true} {
		state := &State{View: &model.View{Members: map[model.MemberName]*model.Member{"west": {Name: "west", Demoted: demoted}}}}
		one := standing{name: "west"}
		if got := one.shown(state).Demoted; got != demoted {
			t.Errorf("demoted: %v, shown: %v", demoted, got)
		}
	}
}
