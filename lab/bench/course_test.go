//go:build bench

package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clientcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// many is how many endpoints stay while one changes.
const many = 10

// course is a service whose slice is changed over and over.
type course struct {
	port sides.Port
	// change makes change number i and returns the slice's version.
	change func(ctx context.Context, b *testing.B, i int) string
	// want is the answer after change number i.
	want    func(i int) sides.Answer
	watcher *watcher
}

// ownCluster is a service of the cluster itself: one of its endpoints takes the place
// of another.
func (r *race) ownCluster(b *testing.B, namespace, service string) course {
	last := func(i int) string { return fmt.Sprintf("10.1.1.%d", 101+i%2) }
	c := r.course(b, 0, namespace, service, func(i int) []string { return append(addresses("10.1.1.", many), last(i)) })
	c.want = func(i int) sides.Answer {
		answer := sides.Answer{last(i) + ":8080": {Weight: 1}}
		for _, address := range addresses("10.1.1.", many) {
			answer[address+":8080"] = sides.Share{Weight: 1}
		}
		return answer
	}
	return c
}

// otherCluster is a service of both clusters: the other one gets or loses an endpoint,
// and with it its gateway's weight changes.
func (r *race) otherCluster(b *testing.B, namespace, service string) course {
	r.service(b, 0, namespace, service)
	const own = "10.1.2.1"
	if _, err := r.kube[0].DiscoveryV1().EndpointSlices(namespace).Create(b.Context(), r.slice(b, 0, namespace, service, []string{own}), metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	there, err := r.kube[1].CoreV1().Services("istio-system").Get(b.Context(), "istio-eastwestgateway", metav1.GetOptions{})
	if err != nil {
		b.Fatal(err)
	}
	gateway := there.Status.LoadBalancer.Ingress[0].IP + ":15443"
	c := r.course(b, 1, namespace, service, func(i int) []string { return addresses("10.2.2.", many+i%2) })
	c.want = func(i int) sides.Answer {
		return sides.Answer{own + ":8080": {Weight: 1}, gateway: {Weight: many + i%2}}
	}
	return c
}

// addresses are the first ones that begin with a prefix.
func addresses(prefix string, count int) []string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprint(prefix, i+1))
	}
	return all
}

// course makes a service of a cluster, whose slice holds other addresses with every
// change.
func (r *race) course(b *testing.B, cluster int, namespace, service string, hold func(i int) []string) course {
	b.Helper()
	r.service(b, cluster, namespace, service)
	api := r.kube[cluster].DiscoveryV1().EndpointSlices(namespace)
	slices := [2]*discoveryv1.EndpointSlice{}
	for i := range slices {
		slices[i] = r.slice(b, cluster, namespace, service, hold(i))
	}
	if _, err := api.Create(b.Context(), slices[1], metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	return course{
		port: sides.Port{Namespace: namespace, Service: service, Number: 80}, watcher: watch(b, r.kube[cluster], namespace),
		change: func(ctx context.Context, b *testing.B, i int) string {
			changed, err := api.Update(ctx, slices[i%2], metav1.UpdateOptions{})
			if err != nil {
				b.Fatal(err)
			}
			return changed.ResourceVersion
		},
	}
}

func (r *race) service(b *testing.B, cluster int, namespace, name string) {
	b.Helper()
	_, err := r.kube[cluster].CoreV1().Services(namespace).Create(b.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
}

// slice is the slice of a service with these endpoints, each of which is a pod's.
func (r *race) slice(b *testing.B, cluster int, namespace, service string, addresses []string) *discoveryv1.EndpointSlice {
	b.Helper()
	name, number := "http", int32(8080)
	one := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &number}},
	}
	for _, address := range addresses {
		one.Endpoints = append(one.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{address}, TargetRef: sides.StandIn(b, r.kube[cluster], namespace, address),
		})
	}
	return one
}

// watcher notes when a plain watch shows a version.
type watcher struct {
	mu    sync.Mutex
	times map[string]time.Time
	more  chan struct{}
}

func watch(b *testing.B, kube kubernetes.Interface, namespace string) *watcher {
	b.Helper()
	stream, err := kube.DiscoveryV1().EndpointSlices(namespace).Watch(b.Context(), metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stream.Stop)
	w := &watcher{times: map[string]time.Time{}, more: make(chan struct{})}
	go func() {
		for event := range stream.ResultChan() {
			seen := time.Now()
			if slice, is := event.Object.(*discoveryv1.EndpointSlice); is {
				w.note(slice.ResourceVersion, seen)
			}
		}
	}()
	return w
}

func (w *watcher) note(version string, seen time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times[version] = seen
	close(w.more)
	w.more = make(chan struct{})
}

// seen waits for a version.
func (w *watcher) seen(ctx context.Context, b *testing.B, version string) time.Time {
	b.Helper()
	for {
		w.mu.Lock()
		seen, found := w.times[version]
		more := w.more
		w.mu.Unlock()
		if found {
			return seen
		}
		select {
		case <-more:
		case <-ctx.Done():
			b.Fatalf("the watch does not show version %s", version)
		}
	}
}

// remove deletes a namespace and waits until it is gone.
func remove(ctx context.Context, api clientcorev1.NamespaceInterface, name string) error {
	if err := api.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !errors.IsNotFound(err) {
		return err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := api.Get(ctx, name, metav1.GetOptions{}); errors.IsNotFound(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
