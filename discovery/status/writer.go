package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Resource is that of the objects.
var Resource = schema.GroupVersionResource{Group: "eastwest.dev", Version: "v1alpha1", Resource: "memberclusters"}

// manager owns the fields; the label tells our objects from others.
const (
	manager   = "eastwest-agent"
	managedBy = "app.kubernetes.io/managed-by"
)

const (
	// look is how often members are looked at without being woken.
	look = 5 * time.Second
	// rest is the least time between two looks.
	rest = time.Second
	// countStep is the least time between two writes of which only numbers and words
	// differ.
	countStep = 10 * time.Second
	// rttStep is by how many microseconds a round trip must differ to be written.
	rttStep = 2000
	// relist is how often it is seen whether somebody changed the objects.
	relist = time.Minute
	// timeout bounds one request.
	timeout = 10 * time.Second
)

// Writer writes the objects of all members. One replica at a time may run it.
type Writer struct {
	Client dynamic.Interface
	// Members are all that are known; false before the records have been read, for
	// then an object without a member must stay.
	Members func() ([]Member, bool)
	// Wake gets a value when a member may stand differently.
	Wake <-chan struct{}
	// Events tells what is wrong with records and exports, too; nil: nobody does.
	Events *Events
	Log    *slog.Logger

	seen    map[string]*seen
	listed  time.Time
	failure string
}

// seen is an object as it is in the cluster, and when we last wrote it.
type seen struct {
	object  v1alpha1.MemberCluster
	written time.Time
}

// Run writes until ctx ends: what it wrote stays.
func (w *Writer) Run(ctx context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		w.tell(ctx, w.Once(ctx, time.Now()))
		pause := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-w.Wake:
		case <-ticker.C:
		}
	}
}

// tell logs a failure once, not with every attempt.
func (w *Writer) tell(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != w.failure && ctx.Err() == nil {
		w.Log.Warn("write member clusters", "error", err)
	}
	w.failure = text
}

// Once writes what differs now.
func (w *Writer) Once(ctx context.Context, now time.Time) error {
	members, known := w.Members()
	if !known {
		return nil
	}
	if w.seen == nil || now.Sub(w.listed) >= relist {
		if err := w.list(ctx, now); err != nil {
			return err
		}
	}
	names := map[string]bool{}
	var failures []error
	for _, member := range members {
		names[string(member.Name)] = true
		failures = append(failures, w.write(ctx, member, now))
	}
	for _, name := range slices.Sorted(maps.Keys(w.seen)) {
		if !names[name] {
			failures = append(failures, w.remove(ctx, name))
		}
	}
	if w.Events != nil {
		failures = append(failures, w.Events.tell(ctx, members, w.uid, now))
	}
	return errors.Join(failures...)
}

// uid is that of a member's object; empty where there is none.
func (w *Writer) uid(name model.MemberName) types.UID {
	if one := w.seen[string(name)]; one != nil {
		return one.object.UID
	}
	return ""
}

// list reads the objects as they are.
func (w *Writer) list(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	list, err := w.Client.Resource(Resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list MemberClusters: %w", err)
	}
	last := w.seen
	w.seen, w.listed = map[string]*seen{}, now
	for i := range list.Items {
		if err := w.note(&list.Items[i]); err != nil {
			return err
		}
		name := list.Items[i].GetName()
		if before := last[name]; before != nil {
			w.seen[name].written = before.written
		}
	}
	return nil
}

func (w *Writer) note(object *unstructured.Unstructured) error {
	one := &seen{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &one.object); err != nil {
		return fmt.Errorf("read MemberCluster %s: %w", object.GetName(), err)
	}
	w.seen[object.GetName()] = one
	return nil
}

// write brings the object of a member to what it shall say.
func (w *Writer) write(ctx context.Context, member Member, now time.Time) error {
	name := string(member.Name)
	last := w.seen[name]
	var before *v1alpha1.MemberCluster
	if last != nil {
		before = &last.object
	}
	wanted := Wanted(member, before, now)
	head, body := before == nil || !sameHead(before, &wanted), before == nil || differs(before, &wanted)
	if !body && last != nil && now.Sub(last.written) >= countStep {
		body = !sameDetails(before, &wanted)
	}
	if head {
		if err := w.apply(ctx, &wanted, "spec"); err != nil {
			return fmt.Errorf("apply MemberCluster %s: %w", name, err)
		}
	}
	if head || body {
		if err := w.apply(ctx, &wanted, "status", "status"); err != nil {
			return fmt.Errorf("apply status of MemberCluster %s: %w", name, err)
		}
		w.seen[name].written = now
	}
	return nil
}

// apply sends one field of an object.
func (w *Writer) apply(ctx context.Context, wanted *v1alpha1.MemberCluster, field string, subresource ...string) error {
	all, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.APIVersion, "kind": Kind, "metadata": map[string]any{"name": wanted.Name}, field: all[field],
	}}
	if len(subresource) == 0 {
		object.SetLabels(wanted.Labels)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := w.Client.Resource(Resource).Apply(ctx, wanted.Name, object, metav1.ApplyOptions{FieldManager: manager, Force: true}, subresource...)
	if err != nil {
		return err
	}
	return w.note(result)
}

// remove deletes the object of a member that left. Objects of others stay.
func (w *Writer) remove(ctx context.Context, name string) error {
	one := w.seen[name]
	if one.object.Labels[managedBy] != manager {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	uid := one.object.UID
	err := w.Client.Resource(Resource).Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete MemberCluster %s: %w", name, err)
	}
	delete(w.seen, name)
	return nil
}

func sameHead(a, b *v1alpha1.MemberCluster) bool {
	return a.Spec == b.Spec && a.Labels[managedBy] == b.Labels[managedBy]
}

// differs reports whether anything does but what may change all the time.
func differs(a, b *v1alpha1.MemberCluster) bool {
	x, y := &a.Status, &b.Status
	return x.State != y.State || x.Code != y.Code || (x.Link == nil) != (y.Link == nil) || !slices.Equal(x.Gateways, y.Gateways) ||
		!sameFeature(x.MultiClusterServices, y.MultiClusterServices) || !x.CredentialExpiry.Equal(y.CredentialExpiry) || !sameConditions(x.Conditions, y.Conditions)
}

// sameFeature compares what stays as it is for as long as nobody has to act.
func sameFeature(a, b *v1alpha1.MemberServices) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Code == b.Code && a.Description == b.Description && slices.Equal(a.Warnings, b.Warnings)
}

// sameConditions looks for ours: others may have theirs in the object. What they
// say is one of the details.
func sameConditions(have, want []metav1.Condition) bool {
	for _, one := range want {
		found := slices.IndexFunc(have, func(other metav1.Condition) bool { return other.Type == one.Type })
		if found < 0 || have[found].Status != one.Status || have[found].Reason != one.Reason {
			return false
		}
	}
	for _, one := range have {
		wanted := func(other metav1.Condition) bool { return other.Type == one.Type }
		if slices.Contains(conditionTypes, one.Type) && !slices.ContainsFunc(want, wanted) {
			return false
		}
	}
	return true
}

// sameDetails compares what may change with every event, or with every attempt to
// reach a member.
func sameDetails(a, b *v1alpha1.MemberCluster) bool {
	x, y := &a.Status, &b.Status
	return sameLink(x.Link, y.Link) && x.Services == y.Services && x.Endpoints == y.Endpoints && x.LastEvent.Equal(y.LastEvent) && x.Description == y.Description
}

// sameLink takes times for the same that differ little: they always do, and nobody
// is helped by an object that is written for that.
func sameLink(a, b *v1alpha1.MemberLink) bool {
	if a == nil || b == nil {
		return a == b
	}
	most, least := max(a.RTTMicroseconds, b.RTTMicroseconds), min(a.RTTMicroseconds, b.RTTMicroseconds)
	return a.Hop == b.Hop && (most-least <= rttStep || least > 0 && most <= 2*least)
}
