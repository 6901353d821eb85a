package derived

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Writer brings the derived Services and their slices to what the view asks for.
// One replica at a time may run it, and a Cluster has one Writer.
type Writer struct {
	Cluster *Cluster
	// View is the view, and whether what is not in it is known not to exist; nil
	// before there is one.
	View func() (view *model.View, complete bool)
	// Blind is true while there are members of which nothing is known, not even from
	// before; nil: there are none.
	Blind func() bool
	// Wakes get a value when the view has changed.
	Wakes []<-chan struct{}
	// Own is the own member's name.
	Own model.MemberName
	// Sidecars is true where sidecars reach other networks, and no gateway of ours
	// does: derived Services lead to pods of the own network alone.
	Sidecars bool
	// Families are those that Services of this cluster can have, the preferred one first.
	Families []model.Family
	// Prefer is which members' endpoints come first where no exporter says so.
	Prefer model.Preference
	Log    *slog.Logger

	// last is what the last pass was made from; nil before there was one.
	last *basis
	// names are the services of its view by the names of their derived Services.
	names map[types.NamespacedName]model.ServiceKey
	free  *allocator
	// starved are services for which there are too few ports of the gateway.
	starved map[model.ServiceKey]struct{}
}

// Pauses between attempts, after a failure.
const (
	leastPause = 200 * time.Millisecond
	mostPause  = 5 * time.Second
)

// Run writes until ctx ends: what it wrote stays. The next time it begins with everything,
// for nobody keeps count of what changes meanwhile.
func (w *Writer) Run(ctx context.Context) {
	due := w.Cluster.due
	defer due.AddAll()
	wake := join(ctx, append(slices.Clone(w.Wakes), due.Wake()))
	pause, again := leastPause, (<-chan time.Time)(nil)
	for {
		err := w.Once(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("write derived services", "error", err)
		}
		switch {
		case err == nil && len(due.Failures()) == 0:
			pause, again = leastPause, nil
		case again == nil:
			again = time.After(pause)
			pause = min(2*pause, mostPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-again:
			again = nil
			due.Retry()
		}
	}
}

// join is one channel for several.
func join(ctx context.Context, wakes []<-chan struct{}) <-chan struct{} {
	joined := make(chan struct{}, 1)
	for _, wake := range wakes {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-wake:
				}
				select {
				case joined <- struct{}{}:
				default:
				}
			}
		}()
	}
	return joined
}

// Once writes what differs now, where something has changed. What fails does not keep
// the rest from being written.
func (w *Writer) Once(ctx context.Context) error {
	view, complete := w.View()
	if _, known := w.Cluster.Ports(); view == nil || !known || view.Members[w.Own] == nil {
		return nil
	}
	gateways, err := w.Cluster.gatewayPods()
	if err != nil {
		return err
	}
	blind := w.Blind != nil && w.Blind()
	complete = complete && !blind // one may have changed since the other was asked for
	now := &basis{view: view, complete: complete, blind: blind, gateways: gateways}
	due := w.take(now)
	keep := map[string]bool{}
	var failures []error
	fail := func(at types.NamespacedName, err error) {
		if err != nil {
			delete(due, at) // of what could not be written nothing is taken away
			failures = append(failures, err)
			w.Cluster.due.Fail(at, err)
		}
	}
	for _, one := range w.plan(view, due) {
		if w.Cluster.HasNamespace(one.key.Namespace) && !w.loses(&one) {
			fail(derivedName(one.key), w.write(ctx, &one, gateways, keep))
		}
	}
	for at := range due {
		fail(at, w.prune(ctx, at, keep, complete))
	}
	return errors.Join(failures...)
}

// loses reports whether a Service that is there would lead to less only because there
// are members of which this replica knows nothing: who made it as it is may have.
func (w *Writer) loses(s *service) bool {
	if !w.last.blind {
		return false
	}
	have, err := w.Cluster.services.Services(s.key.Namespace).Get(Name(s.key))
	return err == nil && !s.headless && less(have, s)
}
