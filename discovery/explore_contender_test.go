package discovery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// contender is one replica.
type contender struct {
	*replica
	name  string
	leads atomic.Bool
	// paused has what writes go on as if its term had not ended: a process that was paused
	// does so until it notices.
	paused  atomic.Bool
	wake    chan struct{}
	term    *tenure
	ended   chan struct{}
	stopped bool
}

func (c *contender) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// start begins a replica.
func (l *leading) start(c *contender) {
	config := &rest.Config{
		Host: "http://own", Dial: c.conns.dial, BearerToken: l.own.token, UserAgent: c.pod, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.stopped, c.wake, c.term, c.ended = cancel, false, make(chan struct{}, 1), &tenure{}, make(chan struct{})
	kube, client := kubernetes.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(c.term.guard(config))
	go func(ended chan struct{}) {
		defer close(ended)
		agent := &Agent{Options: Options{Namespace: v1alpha1.AgentNamespace, Pod: c.pod, Log: slog.New(slog.DiscardHandler)}, tenure: c.term}
		agent.lead(ctx, kube, func(term context.Context) { l.work(term, c, client) })
	}(c.ended)
}

// pause has a process stand still: it reaches nobody, and what writes does not notice that
// time goes by.
func (c *contender) pause() {
	c.paused.Store(true)
	c.isolate()
	c.poke()
}

// resume has it go on: the first that it does is what it was about to do.
func (c *contender) resume() {
	c.heal()
	c.poke()
	synctest.Wait()
	c.paused.Store(false)
	c.poke()
}

// stop ends a replica. One that is paused is told to end while it reaches the cluster
// again: its lease is given back, and it tries to write before that is noticed.
func (l *leading) stop(c *contender) {
	if c.paused.Load() {
		c.heal()
	}
	if c.cancel(); c.paused.Load() {
		after(2 * retryPeriod)
		c.resume()
	}
	select {
	case <-c.ended:
		c.stopped = true
		if holder, _ := l.lease(); c.leads.Load() || !c.isolated && holder == c.name {
			l.violate("I6: %s has ended, still leads: %v, and %q holds the lease", c.name, c.leads.Load(), holder)
		}
	case <-time.After(time.Hour):
		l.violate("%s does not end", c.name)
	}
}

// work writes what is so whenever it has changed, as all writers of the agent do.
func (l *leading) work(ctx context.Context, c *contender, client dynamic.Interface) {
	if c.leads.Swap(true) {
		l.violate("I6: two terms of %s at once", c.name)
	}
	defer c.leads.Store(false)
	for _, other := range l.contenders {
		if other != c && other.leads.Load() && !other.paused.Load() {
			l.violate("I6: two replicas lead at once")
		}
	}
	last := int64(-1)
	for {
		if now := l.truth.Load(); now != last {
			object := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "eastwest.dev/v1alpha1", "kind": "MemberCluster",
				"metadata": map[string]any{"name": writtenName}, "spec": map[string]any{"value": now},
			}}
			request, cancel := context.WithTimeout(c.notices(ctx), 5*time.Second)
			if _, err := client.Resource(written).Apply(request, writtenName, object, metav1.ApplyOptions{FieldManager: c.pod, Force: true}); err == nil {
				last = now
			}
			cancel()
		}
		select {
		case <-c.notices(ctx).Done():
			return
		case <-c.wake:
			last = -1
		case <-time.After(time.Second):
		}
	}
}

// notices is a term as far as what writes knows of its end.
func (c *contender) notices(term context.Context) context.Context {
	if c.paused.Load() {
		return context.WithoutCancel(term)
	}
	return term
}
