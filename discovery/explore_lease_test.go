package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/explore"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestEveryOrderOfLeading walks every order in which two replicas are cut off, are back,
// end and begin, while time passes and what is to be written changes. It runs what leads
// in the agent, against an API server with leases. Nobody writes who does not hold the
// lease, never do two at once, and in the end one has written what is so.
func TestEveryOrderOfLeading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		states := explore.All(t, func() explore.System { return newLeading(t) })
		t.Logf("%d states", states)
		if states < 50 {
			t.Errorf("only %d states: something cannot happen", states)
		}
	})
}

// written is the object that leaders write.
var written = schema.GroupVersionResource{Group: "eastwest.dev", Version: "v1alpha1", Resource: "memberclusters"}

const writtenName = "value"

type leading struct {
	*world
	contenders [2]*contender
	truth      atomic.Int64
	running    atomic.Int64
	// changes and faults are how many there may still be.
	changes, faults int
}

// contender is one replica.
type contender struct {
	*replica
	name    string
	leads   atomic.Bool
	wake    chan struct{}
	group   sync.WaitGroup
	stopped bool
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
		l.start(c)
	}
	synctest.Wait()
	return l
}

func (l *leading) start(c *contender) {
	config := &rest.Config{
		Host: "http://own", Dial: c.conns.dial, BearerToken: l.own.token, UserAgent: c.pod, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.stopped, c.wake = cancel, false, make(chan struct{}, 1)
	kube, client := kubernetes.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(config)
	c.group.Go(func() {
		agent := &Agent{Options: Options{Namespace: v1alpha1.AgentNamespace, Pod: c.pod, Log: slog.New(slog.DiscardHandler)}, tenure: &tenure{}}
		agent.lead(ctx, kube, func(term context.Context) { l.work(term, c, client) })
	})
}

// work writes what is so whenever it has changed, as all writers of the agent do.
func (l *leading) work(ctx context.Context, c *contender, client dynamic.Interface) {
	c.leads.Store(true)
	defer c.leads.Store(false)
	if l.running.Add(1) > 1 {
		l.violate("I6: two replicas lead at once")
	}
	defer l.running.Add(-1)
	last := int64(-1)
	for {
		if now := l.truth.Load(); now != last {
			object := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "eastwest.dev/v1alpha1", "kind": "MemberCluster",
				"metadata": map[string]any{"name": writtenName}, "spec": map[string]any{"value": now},
			}}
			request, cancel := context.WithTimeout(ctx, 5*time.Second)
			if _, err := client.Resource(written).Apply(request, writtenName, object, metav1.ApplyOptions{FieldManager: c.pod, Force: true}); err == nil {
				last = now
			}
			cancel()
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-time.After(time.Second):
		}
	}
}

// Actions implements explore.System.
func (l *leading) Actions() []string {
	var all []string
	if l.changes > 0 {
		all = append(all, "change")
	}
	if l.faults == 0 {
		return all
	}
	for _, c := range l.contenders {
		switch {
		case c.stopped:
			all = append(all, "start "+c.name)
		case c.isolated:
			all = append(all, "heal "+c.name, "stop "+c.name)
		default:
			all = append(all, "cut "+c.name, "stop "+c.name)
		}
	}
	// Less than a term, more than the time in which it must be renewed, and more than all.
	return append(all, "wait 3s", "wait 11s", "wait 20s")
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
			select {
			case c.wake <- struct{}{}:
			default:
			}
		}
	case "cut":
		c.isolate()
	case "heal":
		c.heal()
	case "stop":
		c.stopped = true
		c.cancel()
		c.group.Wait()
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

// State implements explore.System.
func (l *leading) State() string {
	holder, renewed, value := "", "", ""
	l.own.api.Do(func() {
		if lease, ok := l.own.api.Objects[leasePath][v1alpha1.AgentNamespace+"/"+leaseName].(*unstructured.Unstructured); ok {
			holder, _, _ = unstructured.NestedString(lease.Object, "spec", "holderIdentity")
			text, _, _ := unstructured.NestedString(lease.Object, "spec", "renewTime")
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				renewed = time.Since(at).Round(time.Second).String()
			}
		}
		if one, ok := l.own.api.Objects["/apis/eastwest.dev/v1alpha1/memberclusters"]["/"+writtenName].(*unstructured.Unstructured); ok {
			value = fmt.Sprint(one.Object["spec"])
		}
	})
	parts := []string{holder, renewed, value, fmt.Sprint(l.truth.Load(), l.changes, l.faults)}
	for _, c := range l.contenders {
		parts = append(parts, fmt.Sprint(c.isolated, c.stopped, c.leads.Load()))
	}
	return strings.Join(parts, " ")
}

// Rest implements explore.System: both run and reach the cluster.
func (l *leading) Rest() string {
	for _, c := range l.contenders {
		c.heal()
		if c.stopped {
			l.start(c)
		}
	}
	after(time.Minute)
	if l.running.Load() != 1 {
		l.violate("%d replicas lead in the end", l.running.Load())
	}
	if state := l.State(); !strings.Contains(state, fmt.Sprintf("map[value:%d]", l.truth.Load())) {
		l.violate("%d is not written in the end: %s", l.truth.Load(), state)
	}
	return strings.Join(l.violations, "; ")
}

// Close implements explore.System.
func (l *leading) Close() {
	for _, c := range l.contenders {
		c.heal()
		c.cancel()
		c.group.Wait()
		c.isolate()
	}
}
