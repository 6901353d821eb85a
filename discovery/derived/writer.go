package derived

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applydiscoveryv1 "k8s.io/client-go/applyconfigurations/discovery/v1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Writer brings the derived Services and their slices to what the view asks for.
// One replica at a time may run it.
type Writer struct {
	Cluster *Cluster
	// View is the view, and whether what is not in it is known not to exist; nil
	// before there is one.
	View func() (view *model.View, complete bool)
	// Blind is true while there are members of which nothing is known, not even from
	// before; nil: there are none.
	Blind func() bool
	// Wakes get a value when the view has changed, or the cluster.
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

	// allocated are the ports this writer gave out: the cluster's own copy of what
	// was just written may lag behind.
	allocated map[model.PortKey]uint16
}

// Pauses between attempts, after a failure.
const (
	leastPause = 200 * time.Millisecond
	mostPause  = 5 * time.Second
)

// Run writes until ctx ends: what it wrote stays.
func (w *Writer) Run(ctx context.Context) {
	wake := join(ctx, w.Wakes)
	pause := leastPause
	for {
		again := (<-chan time.Time)(nil)
		if err := w.Once(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("write derived services", "error", err)
			again = time.After(pause)
			pause = min(2*pause, mostPause)
		} else {
			pause = leastPause
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-again:
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

// Once writes what differs now. What fails does not keep the rest from being
// written.
func (w *Writer) Once(ctx context.Context) error {
	view, complete := w.View()
	used, known := w.Cluster.Ports()
	if view == nil || !known || view.Members[w.Own] == nil {
		return nil
	}
	gateways, err := w.Cluster.gatewayPods()
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	var failures []error
	list := wanted(view, vantage{own: view.Members[w.Own], sidecars: w.Sidecars, prefer: w.Prefer, families: w.Families, used: w.inUse(used)})
	w.remember(list)
	for i := range list {
		if w.Cluster.HasNamespace(list[i].key.Namespace) && !w.loses(&list[i]) {
			failures = append(failures, w.write(ctx, &list[i], gateways, keep))
		}
	}
	return errors.Join(append(failures, w.prune(ctx, keep, complete))...)
}

// loses reports whether a Service that is there would lead to less only because there
// are members of which this replica knows nothing: who made it as it is may have.
func (w *Writer) loses(s *service) bool {
	if w.Blind == nil || !w.Blind() {
		return false
	}
	have, err := w.Cluster.services.Services(s.key.Namespace).Get(Name(s.key))
	return err == nil && !s.headless && less(have, s)
}

// inUse are the ports that are taken: what the cluster says wins over what was
// given out.
func (w *Writer) inUse(seen map[model.PortKey]uint16) map[model.PortKey]uint16 {
	used := maps.Clone(w.allocated)
	if used == nil {
		used = map[model.PortKey]uint16{}
	}
	maps.Copy(used, seen)
	return used
}

func (w *Writer) remember(list []service) {
	w.allocated = map[model.PortKey]uint16{}
	for i := range list {
		for _, port := range list[i].ports {
			if port.target != 0 {
				w.allocated[model.PortKey{Service: list[i].key, Number: port.Number}] = port.target
			}
		}
	}
}

// write applies a service and its slices where they differ, and notes the names
// of all of them in keep.
func (w *Writer) write(ctx context.Context, s *service, gateways []netip.Addr, keep map[string]bool) error {
	keep[ownerID(s.key.Namespace, Name(s.key))] = true
	if !s.headless {
		keep[serviceID(s.key.Namespace, Name(s.key))] = true
		// A Service needs a port. One that has none keeps what it had.
		if len(s.ports) == 0 {
			return nil
		}
		// Slices follow the Service: its ports are what allocates those of the gateway.
		if err := w.applyService(ctx, s.serviceObject()); err != nil {
			return err
		}
	}
	var failures []error
	wanted := s.sliceObjects(gateways)
	for _, slice := range wanted {
		keep[sliceID(s.key.Namespace, *slice.Name)] = true
		failures = append(failures, w.applySlice(ctx, slice))
	}
	if s.headless {
		return errors.Join(failures...)
	}
	if endpoints := endpointsObject(s.key.Namespace, Name(s.key), wanted); endpoints != nil {
		keep[endpointsID(s.key.Namespace, Name(s.key))] = true
		failures = append(failures, w.applyEndpoints(ctx, endpoints))
	}
	return errors.Join(failures...)
}

func (w *Writer) applyService(ctx context.Context, wanted *applycorev1.ServiceApplyConfiguration) error {
	namespace, name := *wanted.Namespace, *wanted.Name
	have, err := w.Cluster.services.Services(namespace).Get(name)
	if err == nil {
		if same, err := holds(have, wanted); same || err != nil {
			return err
		}
	}
	_, err = w.Cluster.kube.CoreV1().Services(namespace).Apply(ctx, wanted, applyOptions)
	return described("apply Service", namespace, name, err)
}

func (w *Writer) applySlice(ctx context.Context, wanted *applydiscoveryv1.EndpointSliceApplyConfiguration) error {
	namespace, name := *wanted.Namespace, *wanted.Name
	have, err := w.Cluster.slices.EndpointSlices(namespace).Get(name)
	if err == nil {
		if same, err := holds(have, wanted); same || err != nil {
			return err
		}
	}
	_, err = w.Cluster.kube.DiscoveryV1().EndpointSlices(namespace).Apply(ctx, wanted, applyOptions)
	return described("apply EndpointSlice", namespace, name, err)
}

// described says what failed; that a namespace is going is no failure.
func described(act, namespace, name string, err error) error {
	if err == nil || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return fmt.Errorf("%s %s/%s: %w", act, namespace, name, err)
}

// prune deletes what of ours is not wanted any more: slices at once, Services
// only where it is known that nobody exports them, as with a Service goes its
// address.
func (w *Writer) prune(ctx context.Context, keep map[string]bool, complete bool) error {
	var failures []error
	list, err := w.Cluster.slices.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list our slices: %w", err)
	}
	for _, slice := range list {
		ofWanted := keep[ownerID(slice.Namespace, ownerOf(slice))]
		if keep[sliceID(slice.Namespace, slice.Name)] || !ofWanted && !complete {
			continue
		}
		err := w.Cluster.kube.DiscoveryV1().EndpointSlices(slice.Namespace).Delete(ctx, slice.Name, onlyThis(slice))
		failures = append(failures, gone("delete EndpointSlice", slice.Namespace, slice.Name, err))
	}
	endpoints, err := w.Cluster.endpoints.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list our Endpoints: %w", err)
	}
	failures = append(failures, w.pruneEndpoints(ctx, endpoints, keep, complete)...)
	services, err := w.Cluster.services.List(labels.Everything())
	if err != nil || !complete {
		return errors.Join(failures...)
	}
	for _, one := range services {
		if keep[serviceID(one.Namespace, one.Name)] {
			continue
		}
		err := w.Cluster.kube.CoreV1().Services(one.Namespace).Delete(ctx, one.Name, onlyThis(one))
		failures = append(failures, gone("delete Service", one.Namespace, one.Name, err))
	}
	return errors.Join(failures...)
}

func serviceID(namespace, name string) string { return "service " + namespace + "/" + name }
func ownerID(namespace, name string) string   { return "owner " + namespace + "/" + name }
func sliceID(namespace, name string) string   { return "slice " + namespace + "/" + name }

// onlyThis deletes the object that was seen, and no other of its name.
func onlyThis(object metav1.Object) metav1.DeleteOptions {
	uid := object.GetUID()
	return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}
}

func gone(act, namespace, name string, err error) error {
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("%s %s/%s: %w", act, namespace, name, err)
}
