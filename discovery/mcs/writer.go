package mcs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Writer brings the imports, and the conditions of exports, to what the view asks
// for. One replica at a time may run it.
type Writer struct {
	Client dynamic.Interface
	API    discovery.ServerResourcesInterface
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
	// Unsettled reports whether it is not decided yet whose values hold for a name; then
	// nobody is recorded. Nil: it is decided at once.
	Unsettled func(model.ServiceKey) bool
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
	// said is what Standing returns; nil before it is known.
	said atomic.Pointer[Standing]
}

// dialects are both APIs.
var dialects = [2]*dialect{&upstream, &gke}

const (
	// look is how often it is asked which APIs are served.
	look = 30 * time.Second
	// again is the pause after a failure.
	again = 2 * time.Second
)

// Run writes until ctx ends: what it wrote stays.
func (w *Writer) Run(ctx context.Context) {
	w.wake = make(chan struct{}, 1)
	var group sync.WaitGroup
	for _, wake := range w.Wakes {
		group.Go(func() { w.pass(ctx, wake) })
	}
	defer group.Wait()
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
		}
		failed = nil
		if err := w.Once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			w.Log.Warn("write multi-cluster Services", "error", err)
			failed = time.After(again)
		}
	}
}

func (w *Writer) pass(ctx context.Context, from <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-from:
			w.changed()
		}
	}
}

func (w *Writer) changed() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// openServed watches the APIs that are served, and those no more that are not.
func (w *Writer) openServed(ctx context.Context) {
	for i, one := range dialects {
		version, err := one.served(w.API)
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
		opened, err := one.watch(ctx, w.Client, version, w.changed)
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

// Once writes what differs now. What fails does not keep the rest from being
// written.
func (w *Writer) Once(ctx context.Context, now time.Time) error {
	view, complete := w.View()
	if view == nil || view.Members[w.Own] == nil {
		return nil
	}
	var failures []error
	var owned []v1alpha1.ForeignDialect
	for i, one := range w.open {
		owner, err := w.owner(dialects[i], one)
		if owner != "" {
			owned = append(owned, v1alpha1.ForeignDialect{Group: dialects[i].group, Owner: owner})
		}
		switch {
		case err != nil:
			failures = append(failures, err)
		case one == nil || !one.known():
		case w.Off || owner != "":
			failures = append(failures, w.withdraw(ctx, one, owner == ""))
		default:
			failures = append(failures, w.writeImports(ctx, one, view, complete, metav1.NewTime(now)), w.writeExports(ctx, one, view, metav1.NewTime(now)))
		}
	}
	err := errors.Join(failures...)
	w.stand(owned, err)
	return err
}

// writeImports makes the imports of a dialect, and deletes those of ours that nobody
// exports any more.
func (w *Writer) writeImports(ctx context.Context, in *objects, view *model.View, complete bool, now metav1.Time) error {
	have, err := in.list(ofImports)
	if err != nil {
		return err
	}
	from := w.Vantage(view.Members[w.Own])
	var failures []error
	for service := range view.Services.All() {
		last := have[service.Key]
		delete(have, service.Key)
		if w.Namespace(service.Key.Namespace) {
			wanted := importOf(view, service, from)
			failures = append(failures, notGoing(w.writeImport(ctx, in, &wanted, last, now)))
		}
	}
	for _, left := range have {
		if complete && ours(left) {
			failures = append(failures, in.remove(ctx, left))
		}
	}
	return errors.Join(failures...)
}

func ours(object *unstructured.Unstructured) bool {
	return object.GetLabels()[labelManagedBy] == manager
}

// writeImport writes one import where it differs. One that somebody made by hand
// stays as it is.
func (w *Writer) writeImport(ctx context.Context, in *objects, wanted *Import, last *unstructured.Unstructured, now metav1.Time) error {
	if last != nil && !ours(last) {
		return w.leaveAlone(ctx, in, last, now)
	}
	object, err := in.object(in.version, wanted)
	if err != nil {
		return err
	}
	if last == nil || !holds(last, object) {
		err := in.applySeen(ctx, object, last)
		if apierrors.IsConflict(err) {
			return nil // it is not as it was seen; the watch is about to say how it is
		}
		if err != nil {
			return err
		}
	}
	var before []metav1.Condition
	if last != nil {
		before = conditionsOf(last)
	}
	status, err := in.status(in.version, w.Mesh, wanted, lasting(wanted.Conditions, before, now))
	if err != nil || last != nil && holdsStatus(last, status) {
		return err
	}
	return in.apply(ctx, ofImports, status, "status")
}

// leaveAlone says on an import that it is not ours, and nothing more.
func (w *Writer) leaveAlone(ctx context.Context, in *objects, last *unstructured.Unstructured, now metav1.Time) error {
	key := model.ServiceKey{Namespace: last.GetNamespace(), Name: last.GetName()}
	condition := metav1.Condition{
		Type: Managed, Status: metav1.ConditionFalse, Reason: "NotManaged",
		Message: "somebody else made this import, so that it stays as it is; delete it to have one that follows the exports",
	}
	status, err := in.notManaged(in.version, key, lasting([]metav1.Condition{condition}, conditionsOf(last), now))
	if err != nil || meta.IsStatusConditionFalse(conditionsOf(last), Managed) {
		return err
	}
	return in.apply(ctx, ofImports, status, "status")
}

// writeExports gives all exports of this cluster their conditions.
func (w *Writer) writeExports(ctx context.Context, in *objects, view *model.View, now metav1.Time) error {
	have, err := in.list(ofExports)
	if err != nil {
		return err
	}
	problems := w.Problems()
	var failures []error
	for key, object := range have {
		var problem *Problem
		if one, found := problems[key]; found {
			problem = &one
		}
		wanted := exportOf(key, view, w.Own, problem)
		if w.Unsettled != nil && w.Unsettled(key) {
			wanted.Incumbent = ""
		}
		failures = append(failures, notGoing(w.writeExport(ctx, in, &wanted, object, now)))
	}
	return errors.Join(failures...)
}

func (w *Writer) writeExport(ctx context.Context, in *objects, wanted *Export, last *unstructured.Unstructured, now metav1.Time) error {
	annotations := last.GetAnnotations()
	if wanted.Incumbent != "" && annotations[v1alpha1.AnnotationIncumbent] != string(wanted.Incumbent) {
		if err := in.annotate(ctx, last, v1alpha1.AnnotationIncumbent, string(wanted.Incumbent)); err != nil {
			return err
		}
	}
	if _, marked := annotations[v1alpha1.AnnotationOff]; marked {
		if err := in.annotate(ctx, last, v1alpha1.AnnotationOff, nil); err != nil {
			return err
		}
	}
	status, err := in.conditions(in.version, wanted, lasting(wanted.Conditions, conditionsOf(last), now))
	if err != nil || holdsStatus(last, status) {
		return err
	}
	return in.apply(ctx, ofExports, status, "status")
}

// notGoing drops what is no failure: that a namespace or an object is going.
func notGoing(err error) error {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
