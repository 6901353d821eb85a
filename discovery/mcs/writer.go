package mcs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
)

// Writer brings the imports, and the conditions of exports, to what the view asks
// for. One replica at a time may run it.
type Writer struct {
	Client dynamic.Interface
	API    discovery.ServerResourcesInterfaceWithContext
	// View is the view, and whether what is not in it is known not to exist; nil
	// before there is one.
	View func() (view *model.View, complete bool)
	// Own is the own member's name, Mesh the mesh's.
	Own  model.MemberName
	Mesh string
	// Problems are those of the own member's exports.
	Problems func() map[model.ServiceKey]Problem
	// Vantage is how imports are seen from here; Namespace whether objects can be made
	// in a namespace.
	Vantage   func(own *model.Member) Vantage
	Namespace func(name string) bool
	// Unsettled are names of which it is not decided yet whose values hold; then nobody is
	// recorded. Nil: it is decided at once.
	Unsettled func() map[model.ServiceKey]time.Time
	// Touched gets the services of which what Vantage says has changed beside the view and
	// its Unnamed, and for a namespace that came or went a key without a name.
	Touched *dirty.Set[model.ServiceKey]
	// Off has nothing of ours be there: imports go, and exports are marked as ones that
	// count for nobody.
	Off bool
	// Foreign are dialects of which it is known that somebody else owns them here.
	Foreign []v1alpha1.ForeignDialect
	// Wakes get a value when any of that may have changed.
	Wakes []<-chan struct{}
	Log   *slog.Logger

	wake chan struct{}
	open [2]*objects
	// last is what the last pass was made from; nil before there was one.
	last *basis
	// said is what Standing returns; nil before it is known.
	said atomic.Pointer[Standing]
}

// dialects are both APIs.
var dialects = [2]*dialect{&upstream, &gke}

const (
	// look is how often it is asked which APIs are served.
	look = 30 * time.Second
	// patience is how long the answer may take: nothing else is written meanwhile.
	patience = 5 * time.Second
	// again is the pause after a failure.
	again = 2 * time.Second
)

// Run writes until ctx ends: what it wrote stays. The next time it begins with everything.
func (w *Writer) Run(ctx context.Context) {
	w.wake = make(chan struct{}, 1)
	var group sync.WaitGroup
	for _, wake := range append(slices.Clone(w.Wakes), w.Touched.Wake()) {
		group.Go(func() { w.pass(ctx, wake) })
	}
	defer group.Wait()
	defer w.Touched.AddAll()
	defer w.closeAll()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	failed := (<-chan time.Time)(nil)
	w.openServed(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.openServed(ctx)
		case <-w.wake:
		case <-failed:
			failed = nil
			w.retry()
		}
		if err := w.Once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			w.Log.Warn("write multi-cluster Services", "error", err)
		}
		if failed == nil && len(w.failures()) > 0 {
			failed = time.After(again)
		}
	}
}

// failures are why something must be written again.
func (w *Writer) failures() []error {
	var all []error
	for _, one := range w.open {
		if one != nil {
			all = append(all, one.due.Failures()...)
		}
	}
	return all
}

func (w *Writer) retry() {
	for _, one := range w.open {
		if one != nil {
			one.due.Retry()
		}
	}
}

func (w *Writer) pass(ctx context.Context, from <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-from:
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// openServed watches the APIs that are served, and those no more that are not.
func (w *Writer) openServed(ctx context.Context) {
	for i, one := range dialects {
		version, err := one.served(ctx, w.API)
		if err != nil {
			w.Log.Warn("look for the multi-cluster Services API", "error", err)
			continue
		}
		if w.open[i] != nil && w.open[i].version != version {
			w.open[i].close()
			w.open[i] = nil
		}
		if version == "" || w.open[i] != nil {
			continue
		}
		opened, err := one.watch(ctx, w.Client, version, w.wake)
		if err != nil {
			w.Log.Warn("watch the multi-cluster Services API", "error", err)
			continue
		}
		w.Log.Info("multi-cluster Services API is served", "group", one.group, "version", version)
		w.open[i] = opened
	}
}

func (w *Writer) closeAll() {
	for i := range w.open {
		if w.open[i] != nil {
			w.open[i].close()
			w.open[i] = nil
		}
	}
}

// Once writes what differs now, where something has changed. What fails does not keep
// the rest from being written.
func (w *Writer) Once(ctx context.Context, at time.Time) error {
	now := w.now()
	if now == nil {
		return nil
	}
	due, all := w.take(now)
	var failures []error
	var owned []v1alpha1.ForeignDialect
	for i, one := range w.open {
		known := one != nil && one.known()
		var keys map[model.ServiceKey]struct{}
		if known {
			keys = one.take(now.view, due, all)
			one.notice(keys)
		}
		owner := w.owner(dialects[i], one)
		if owner != "" {
			owned = append(owned, v1alpha1.ForeignDialect{Group: dialects[i].group, Owner: owner})
		}
		if known {
			failures = append(failures, w.bring(ctx, one, keys, owner, now, metav1.NewTime(at)))
		}
	}
	w.stand(owned)
	return errors.Join(failures...)
}

// stance is what is done in a dialect.
type stance struct {
	// withdrawn is true where nothing of ours may be, marked where exports say so.
	withdrawn, marked bool
}

// bring has what is there under some names be as it shall, or under all where something
// else shall be than before.
func (w *Writer) bring(ctx context.Context, in *objects, keys map[model.ServiceKey]struct{}, owner string, now *basis, at metav1.Time) error {
	wanted := stance{withdrawn: w.Off || owner != "", marked: w.Off && owner == ""}
	if in.stance != wanted {
		// What is due by now stays so: whose it is has not been looked at.
		in.stance, keys = wanted, in.everything(now.view)
	}
	var failures []error
	for key := range keys {
		var err error
		if wanted.withdrawn {
			err = w.withdraw(ctx, in, key, wanted.marked)
		} else {
			err = errors.Join(w.bringImport(ctx, in, key, now, at), w.bringExport(ctx, in, key, now, at))
		}
		if err != nil {
			in.due.Fail(key, err)
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}
