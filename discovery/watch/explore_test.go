package watch

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/explore"
)

// TestEveryOrderOfASwap walks every order in which lists, events and faults of an old and
// a new credential can arrive while a member changes some times, the credential is
// replaced, and the member leaves. What is offered never goes back, is never taken away
// while it is there, and comes to what the member has; the other member is not touched.
// Agents share nothing here but the members, so one stands for all.
func TestEveryOrderOfASwap(t *testing.T) {
	t.Parallel()
	states := explore.All(t, func() explore.System { return newSwap(t) })
	t.Logf("%d states", states)
	if states < 1000 {
		t.Errorf("only %d states: something cannot happen", states)
	}
}

// changes is how often the member changes: once more where there is time for that. With
// the last but one all of it is deleted.
var (
	changes = map[bool]int{false: 2, true: 3}[os.Getenv("EASTWEST_FAULTS") == "all"]
	deleted = changes - 1
)

// swap is two members as one agent watches them. Nothing arrives by itself: the sessions'
// own connections wait for a server that never answers.
type swap struct {
	t        *testing.T
	ctx      context.Context //nolint:containedctx // of the sessions
	cancel   context.CancelFunc
	cluster  *Cluster
	other    *Cluster
	inbox    *Inbox
	served   map[model.MemberName]*model.Shard
	sessions []*watcher
	// truth is how often the member has changed; replaced and left what was done to it.
	truth, replaced int
	left            bool
	highest         int
	wrong           string
}

// watcher is a session and how far it has come; -1 before it has listed.
type watcher struct {
	*session
	at      int
	started bool
	faulty  bool
	stopped bool
}

func newSwap(t *testing.T) *swap {
	t.Helper()
	s := &swap{t: t, inbox: NewInbox(), served: map[model.MemberName]*model.Shard{}, highest: -1}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.cluster, s.other = s.watch("east"), s.watch("west")
	s.turn(s.other)
	s.list(&watcher{session: s.other.current}, 0)
	s.turn(s.other)
	s.follow(s.cluster.asked)
	return s
}

func (s *swap) watch(name string) *Cluster {
	timing := defaultTiming
	timing.pulseTimeout = time.Hour
	record := record()
	record.Name, record.UID = name, "uid-1"
	c, err := newCluster(Options{Record: record, Config: s.unanswered()}, timing)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// unanswered leads to a server that takes no connection before the end.
func (s *swap) unanswered() *rest.Config {
	return &rest.Config{Host: "http://member", Dial: func(context.Context, string, string) (net.Conn, error) {
		<-s.ctx.Done()
		return nil, s.ctx.Err()
	}}
}

func (s *swap) follow(one *session) { s.sessions = append(s.sessions, &watcher{session: one, at: -1}) }

// Actions implements explore.System.
func (s *swap) Actions() []string {
	var all []string
	if s.truth < changes && s.replaced < 2 {
		all = append(all, "change")
	}
	// A second time only before the first one has listed, and then nothing but steps: with
	// everything that may happen there would be too many orders.
	if again := s.replaced == 1 && s.truth == 0 && s.sessions[len(s.sessions)-1].at < 0; !s.left && (s.replaced == 0 || again) {
		all = append(all, "replace")
	}
	if !s.left {
		all = append(all, "step", "leave")
	}
	for i, one := range s.sessions {
		switch {
		case !one.started || s.replaced == 2:
		case one.at < 0:
			all = append(all, fmt.Sprint("list ", i))
		case one.at < s.truth:
			all = append(all, fmt.Sprint("event ", i))
		}
		if one.started && s.replaced < 2 {
			all = append(all, fmt.Sprint(map[bool]string{false: "fault ", true: "well "}[one.faulty], i))
		}
	}
	return all
}

// Do implements explore.System.
func (s *swap) Do(action string) string {
	word, number, _ := strings.Cut(action, " ")
	var one *watcher
	if number != "" {
		one = s.sessions[number[0]-'0']
	}
	switch word {
	case "change":
		s.truth++
	case "replace":
		s.replaced++
		if err := s.cluster.Replace(s.cluster.record, s.unanswered()); err != nil {
			s.t.Fatal(err)
		}
		s.follow(s.cluster.asked)
	case "step":
		s.turn(s.cluster)
	case "leave":
		s.left = true
		s.cluster.Leave()
		s.turn(s.cluster)
	case "list":
		s.list(one, s.truth)
	case "event":
		one.at++
		one.event()
	case "fault":
		one.faulty = true
		one.heard(time.Now(), 0, &Fault{Reason: Unauthorized})
	case "well":
		one.faulty = false
		one.heard(time.Now(), uint64(100+s.truth), nil)
	}
	s.look()
	return s.wrong
}

// event has the member's last change arrive.
func (w *watcher) event() {
	version := revisionAt(w.at)
	for i, one := range objectsAt(w.at - 1) {
		if _, stays := objectsAt(w.at)[i]; !stays {
			w.remove(w.streams[i], one.id, version)
		}
	}
	for i, one := range objectsAt(w.at) {
		w.put(w.streams[i], one, version)
	}
}

// turn is what Run does when it is woken.
func (s *swap) turn(c *Cluster) {
	if leaving, over := c.over(s.ctx); over {
		c.stopSessions()
		if leaving {
			s.inbox.Leave(c.name)
		}
		return
	}
	before := c.current
	retired, shard, changed := c.step(s.ctx, time.Now())
	for _, one := range retired {
		one.stop()
	}
	for _, one := range s.sessions {
		one.started, one.stopped = one.started || one.cancel != nil, one.stopped || slices.Contains(retired, one.session)
		switch used := one.session == c.current || one.session == c.next || one.session == c.asked; {
		case one.started && used == one.stopped && one.cluster == c:
			s.wrong = fmt.Sprintf("a session that is used, %v, was stopped, %v", used, one.stopped)
		case one.session == c.current && before != nil && before != c.current && one.faulty:
			s.wrong = "a credential that is refused took the place of another"
		}
	}
	if shard != nil {
		s.inbox.Offer(shard, changed)
	}
}

// list has everything arrive that a member has.
func (s *swap) list(one *watcher, truth int) {
	one.at = truth
	for _, from := range one.streams {
		all := newListing(one.session)
		if object, found := objectsAt(truth)[from.index]; found {
			all.add(object)
		}
		if !one.replace(from, all, revisionAt(truth), false) {
			s.t.Fatal("a list is held that lost little")
		}
	}
}

// objectsAt are what the member has after some changes, by the resource: a slice with so
// many endpoints and one more, and what makes others see it.
func objectsAt(truth int) map[int]object {
	if truth == deleted {
		return nil
	}
	return map[int]object{
		ofServices: packService(kubeService("shop", "cart")), ofExports: packExport(kubeExport("shop", "cart"), model.Upstream),
		ofSlices: packSlice(kubeSlice("shop", "cart-1", "cart", truth+1), anywhere),
	}
}

func revisionAt(truth int) string { return strconv.Itoa(100 + truth) }

// look takes what came in, as the loop does, and judges it.
func (s *swap) look() {
	other := s.served["west"]
	for name, update := range s.inbox.Take() {
		if update.Left {
			delete(s.served, name)
		}
		if update.Shard != nil {
			s.served[name] = update.Shard
		}
	}
	if other != nil && s.served["west"] != other {
		s.wrong = "I5: what west offers is another"
	}
	now := s.servedNow()
	switch {
	case s.left && now >= 0 && s.served["east"] != nil:
		s.wrong = "it left, and is served"
	case s.left:
	case now < 0 && s.highest >= 0 && (s.highest > deleted || s.truth < deleted):
		s.wrong = "I2: it was taken away, and is there"
	case now < 0 && s.highest >= 0:
		s.highest = max(s.highest, deleted)
	case now >= 0 && now < s.highest:
		s.wrong = fmt.Sprintf("I3: it went back from %d to %d", s.highest, now)
	}
	s.highest = max(s.highest, now)
}

// servedNow is after how many changes what is served was so; -1 where nothing is served.
func (s *swap) servedNow() int {
	shard := s.served["east"]
	if shard == nil || shard.Services.Get(cart) == nil || sizeOf(shard.Services.Get(cart).Slices) == 0 {
		return -1
	}
	return sizeOf(shard.Services.Get(cart).Slices) - 1
}

// State implements explore.System.
func (s *swap) State() string {
	parts := []string{fmt.Sprint(s.truth, s.replaced, s.left, s.servedNow(), s.highest)}
	for _, one := range s.sessions {
		parts = append(parts, fmt.Sprint(one.at, one.started, one.faulty, one.offered, len(one.table.dirty)))
	}
	c := s.cluster
	place := func(one *session) int {
		return slices.IndexFunc(s.sessions, func(w *watcher) bool { return w.session == one })
	}
	return strings.Join(append(parts, fmt.Sprint(place(c.asked), place(c.next), place(c.current), c.state, s.confirmed())), " ")
}

// confirmed reports whether the member was heard with the next credential after the last
// change was applied with the current one.
func (s *swap) confirmed() bool {
	c := s.cluster
	return c.next != nil && c.current != nil && c.next.verifiedAt.After(c.current.streams[ofSlices].appliedAt)
}

// Rest implements explore.System: faults heal, and everything arrives.
func (s *swap) Rest() string {
	for range 3 {
		for i, one := range s.sessions {
			if one.started && one.faulty && s.wrong == "" {
				s.Do(fmt.Sprint("well ", i))
			}
			if one.started && one.at < 0 {
				s.Do(fmt.Sprint("list ", i))
			}
			for one.started && one.at < s.truth && s.wrong == "" {
				s.Do(fmt.Sprint("event ", i))
			}
		}
		if !s.left && s.wrong == "" {
			s.Do("step")
		}
	}
	wanted := s.truth
	if s.truth == deleted || s.left {
		wanted = -1
	}
	if got := s.servedNow(); s.wrong == "" && got != wanted {
		return fmt.Sprintf("I4: at rest %d is served, want %d", got, wanted)
	}
	return s.wrong
}

// Close implements explore.System.
func (s *swap) Close() {
	s.cancel()
	for _, c := range []*Cluster{s.cluster, s.other} {
		c.Stop()
		s.turn(c)
	}
}
