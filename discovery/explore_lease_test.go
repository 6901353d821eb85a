package discovery

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/explore"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestEveryOrderOfLeading walks every order in which two replicas are cut off, are back,
// are paused, go on, end and begin, while time passes and what is to be written changes.
// It runs what leads in the agent, against an API server with leases. Nobody writes who
// does not hold the lease, never do two at once, and in the end one has written what is so.
func TestEveryOrderOfLeading(t *testing.T) {
	t.Parallel()
	states := explore.InBubble(t, func(t *testing.T) explore.System { return newLeading(t) })
	t.Logf("%d states", states)
	if states < 100 {
		t.Errorf("only %d states: something cannot happen", states)
	}
}

// written is the object that leaders write.
var written = schema.GroupVersionResource{Group: "eastwest.dev", Version: "v1alpha1", Resource: "memberclusters"}

const writtenName = "value"

type leading struct {
	*world
	contenders [2]*contender
	truth      atomic.Int64
	// changes and faults are how many there may still be.
	changes, faults int
}

func newLeading(t *testing.T) *leading {
	l := &leading{world: &world{T: t}, changes: 1, faults: 2}
	if long() {
		l.changes, l.faults = 2, 3
	}
	l.own = &cluster{api: fakeapi.New(t), token: "token"}
	for _, path := range []string{leasePath, "/apis/eastwest.dev/v1alpha1/memberclusters"} {
		l.own.api.Objects[path] = map[string]metav1.Object{}
	}
	l.own.api.Writes = l.judgeWrite
	for i, name := range []string{"a", "b"} {
		c := &contender{name: name, replica: &replica{world: l.world, pod: name}}
		c.conns = newOwned(c.replica)
		l.contenders[i] = c
	}
	for _, c := range l.contenders {
		l.start(c)
	}
	synctest.Wait()
	return l
}

// Actions implements explore.System.
func (l *leading) Actions() []string {
	var all []string
	if l.changes > 0 {
		all = append(all, "change")
	}
	for _, c := range l.contenders {
		if c.paused.Load() {
			all = append(all, "resume "+c.name)
		}
	}
	if l.faults == 0 {
		return all
	}
	for _, c := range l.contenders {
		switch {
		case c.stopped:
			all = append(all, "start "+c.name)
		case c.paused.Load():
			all = append(all, "stop "+c.name)
		case c.isolated:
			all = append(all, "heal "+c.name, "stop "+c.name)
		default:
			all = append(all, "cut "+c.name, "stop "+c.name)
		}
		if c.leads.Load() && !c.paused.Load() {
			all = append(all, "pause "+c.name)
		}
	}
	// Less than a term, more than the time in which it must be renewed, and more than all.
	return append(all, "wait 3s", "wait 11s", "wait 18s")
}

// Do implements explore.System.
func (l *leading) Do(action string) string {
	word, what, _ := strings.Cut(action, " ")
	c := l.contenders[0]
	if what == "b" {
		c = l.contenders[1]
	}
	l.faults--
	switch word {
	case "change":
		l.faults++
		l.changes--
		l.truth.Add(1)
		for _, c := range l.contenders {
			c.poke()
		}
	case "cut":
		c.isolate()
	case "heal":
		c.heal()
	case "stop":
		l.stop(c)
	case "pause":
		c.pause()
	case "resume":
		l.faults++
		c.resume()
	case "start":
		l.start(c)
	case "wait":
		d, err := time.ParseDuration(what)
		if err != nil {
			return err.Error()
		}
		after(d)
	}
	synctest.Wait()
	return strings.Join(l.violations, "; ")
}

// lease is who holds it, and how long ago it was renewed.
func (l *leading) lease() (holder, renewed string) {
	l.own.api.Do(func() {
		if lease, ok := l.own.api.Objects[leasePath][v1alpha1.AgentNamespace+"/"+leaseName].(*unstructured.Unstructured); ok {
			holder, _, _ = unstructured.NestedString(lease.Object, "spec", "holderIdentity")
			text, _, _ := unstructured.NestedString(lease.Object, "spec", "renewTime")
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				renewed = time.Since(at).Round(time.Second).String()
			}
		}
	})
	return holder, renewed
}

// written is what the object says.
func (l *leading) written() (value string) {
	l.own.api.Do(func() {
		if one, ok := l.own.api.Objects["/apis/eastwest.dev/v1alpha1/memberclusters"]["/"+writtenName].(*unstructured.Unstructured); ok {
			value = fmt.Sprint(one.Object["spec"])
		}
	})
	return value
}

// State implements explore.System.
func (l *leading) State() string {
	holder, renewed := l.lease()
	parts := []string{holder, renewed, l.written(), fmt.Sprint(l.truth.Load(), l.changes, l.faults)}
	for _, c := range l.contenders {
		parts = append(parts, fmt.Sprint(c.isolated, c.stopped, c.leads.Load(), c.paused.Load(), c.term.holds()))
	}
	return strings.Join(parts, " ")
}

// Rest implements explore.System: both run and reach the cluster, and each leads while the
// other does not.
func (l *leading) Rest() string {
	for _, c := range l.contenders {
		if c.heal(); c.paused.Load() {
			c.resume()
		}
		if c.stopped {
			l.start(c)
		}
	}
	after(time.Minute)
	l.settle()
	for _, c := range l.contenders {
		c.isolate()
		after(time.Minute)
		l.settle()
		c.heal()
	}
	return strings.Join(l.violations, "; ")
}

// settle wants one to lead, and to have written what is so.
func (l *leading) settle() {
	leaders := 0
	for _, c := range l.contenders {
		if c.leads.Load() {
			leaders++
		}
	}
	if leaders != 1 {
		l.violate("%d replicas lead in the end", leaders)
	}
	if want := fmt.Sprintf("map[value:%d]", l.truth.Load()); l.written() != want {
		l.violate("%s is written in the end, want %s", l.written(), want)
	}
}

// Close implements explore.System.
func (l *leading) Close() {
	for _, c := range l.contenders {
		c.heal()
		l.stop(c)
		c.isolate()
	}
}
