package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dns is a name server whose answers a test writes. It has no IPv6.
type dns struct {
	mu       sync.Mutex
	zone     map[string][]string
	down     bool
	slow     time.Duration
	asked    []string
	at, most int
}

func (d *dns) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	d.mu.Lock()
	down, slow, zone := d.down, d.slow, d.zone[host]
	if network == "ip4" {
		d.asked = append(d.asked, host)
		d.at++
		d.most = max(d.most, d.at)
	}
	d.mu.Unlock()
	if network == "ip6" {
		return nil, noHost
	}
	select {
	case <-ctx.Done():
	case <-time.After(slow):
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at--
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case down:
		return nil, timeout
	case zone == nil:
		return nil, noHost
	}
	return addresses(zone...), nil
}

func (d *dns) set(change func(*dns)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *dns) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

// run runs a resolver in a bubble, in which time passes when all wait for it.
func run(t *testing.T, server *dns, known map[string][]netip.Addr, test func(t *testing.T, r *Resolver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{Lookup: server.lookup, Known: known})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		test(t, r)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func want(hosts ...string) map[model.MemberName][]model.HostPort {
	return map[model.MemberName][]model.HostPort{"west": gateways(hosts...)}
}

func woken(r *Resolver) bool {
	select {
	case <-r.Changed():
		return true
	default:
		return false
	}
}

func shown(r *Resolver) map[string]string {
	out := map[string]string{}
	for name, one := range r.Answers() {
		out[name] = strings.TrimSpace(strings.Join(texts(one.Addresses), " ") + " " + one.Failure)
	}
	return out
}

// TestAnswersFollowDNS: at once for a new name, within an interval for what changes,
// and without a word where nothing does.
func TestAnswersFollowDNS(t *testing.T) {
	t.Parallel()
	server := &dns{zone: map[string][]string{"a.example.": {v4a}, "b.example.": {v4b}}}
	run(t, server, nil, func(t *testing.T, r *Resolver) {
		expect := func(step string, wakes bool, want map[string]string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, shown(r)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", step, diff)
			}
			if got := woken(r); got != wakes {
				t.Errorf("%s: woken %v", step, got)
			}
		}
		r.Want(want("a.example", "192.0.2.9"))
		expect("a name", true, map[string]string{"a.example": v4a})
		r.Want(want("a.example", "b.example"))
		expect("a second one", true, map[string]string{"a.example": v4a, "b.example": v4b})
		if got := server.questions(); got != 2 {
			t.Errorf("%d questions", got)
		}
		<-time.After(2 * defaultInterval)
		expect("nothing new", false, map[string]string{"a.example": v4a, "b.example": v4b})
		if got := server.questions(); got < 4 {
			t.Errorf("%d questions", got)
		}
		server.set(func(d *dns) { d.zone["a.example."] = []string{v4b, v4a} })
		<-time.After(defaultInterval + defaultInterval/5)
		expect("another answer", true, map[string]string{"a.example": v4a + " " + v4b, "b.example": v4b})
		r.Want(want("b.example"))
		expect("a name nobody asks for", true, map[string]string{"b.example": v4b})
	})
}

// TestTheLastGoodAnswerStays when DNS fails; after a while that is said, and the end
// of it at once.
func TestTheLastGoodAnswerStays(t *testing.T) {
	t.Parallel()
	server := &dns{zone: map[string][]string{"a.example.": {v4a}}}
	run(t, server, nil, func(t *testing.T, r *Resolver) {
		r.Want(want("a.example", "none.example"))
		synctest.Wait()
		if diff := cmp.Diff(map[string]string{"a.example": v4a, "none.example": "DNS knows no address of it"}, shown(r)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		server.set(func(d *dns) { d.down = true })
		<-time.After(defaultPatience - defaultInterval)
		if got := shown(r)["a.example"]; got != v4a {
			t.Errorf("while it fails: %q", got)
		}
		// The first failure comes up to an interval after DNS went, and the one that is said
		// up to an interval after the patience has ended; both are a tenth longer at times.
		<-time.After(4 * defaultInterval)
		if got := shown(r)["a.example"]; got != v4a+" DNS does not answer in time" {
			t.Errorf("after a while: %q", got)
		}
		server.set(func(d *dns) { d.down, d.zone = false, map[string][]string{"a.example.": {v4b}} })
		woken(r)
		<-time.After(defaultInterval + defaultInterval/5)
		if got := shown(r)["a.example"]; got != v4b || !woken(r) {
			t.Errorf("afterwards: %q", got)
		}
	})
}

// TestKnownFromBefore: a restart without DNS serves what was known.
func TestKnownFromBefore(t *testing.T) {
	t.Parallel()
	run(t, &dns{down: true}, map[string][]netip.Addr{"a.example": addresses(v4a, v6a), "b.example": addresses(v4b)}, func(t *testing.T, r *Resolver) {
		r.Want(want("a.example"))
		if diff := cmp.Diff(map[string]string{"a.example": v4a + " " + v6a}, shown(r)); diff != "" {
			t.Errorf("before any lookup (-want +got)\n%s", diff)
		}
		<-time.After(defaultInterval)
		if diff := cmp.Diff(map[string]string{"a.example": v4a + " " + v6a}, shown(r)); diff != "" {
			t.Errorf("without DNS (-want +got)\n%s", diff)
		}
		r.Want(want("b.example"))
		r.Want(want("a.example", "b.example"))
		if got := r.Answers()["a.example"]; len(got.Addresses) > 0 {
			t.Errorf("a name that was forgotten has a past: %+v", got)
		}
	})
}

// TestLookupsAreBounded in number, in time and for each member.
func TestLookupsAreBounded(t *testing.T) {
	t.Parallel()
	server := &dns{slow: time.Hour}
	run(t, server, nil, func(t *testing.T, r *Resolver) {
		all := map[model.MemberName][]model.HostPort{}
		for member := range 4 {
			for i := range maxNames + 3 {
				name := model.MemberName(fmt.Sprint(member))
				all[name] = append(all[name], gateways(fmt.Sprintf("lb-%02d.member-%d.example", i, member))...)
			}
		}
		r.Want(all)
		<-time.After(4*limit + time.Second)
		server.set(func(d *dns) {
			if d.most != maxAtOnce || len(r.Answers()) != 4*maxNames {
				t.Errorf("%d at once, %d answers", d.most, len(r.Answers()))
			}
		})
		for name, one := range r.Answers() {
			if one.Failure != "DNS does not answer in time" {
				t.Errorf("%s: %+v", name, one)
			}
		}
	})
}

// TestNewNamesDoNotStopTheOthers: a member whose name is another one all the time
// changes nothing for the rest.
func TestNewNamesDoNotStopTheOthers(t *testing.T) {
	t.Parallel()
	server := &dns{zone: map[string][]string{"a.example.": {v4a}}}
	run(t, server, nil, func(t *testing.T, r *Resolver) {
		r.Want(want("a.example"))
		synctest.Wait()
		server.set(func(d *dns) { d.zone["a.example."] = []string{v4b} })
		for i := range 8 {
			r.Want(want("a.example", fmt.Sprintf("new-%d.example", i)))
			<-time.After(defaultInterval / 4)
		}
		if got := shown(r)["a.example"]; got != v4b {
			t.Errorf("got %q", got)
		}
	})
}
