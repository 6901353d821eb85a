//go:build bench

package scale

import (
	"context"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// watcher notes when a version was seen.
type watcher struct {
	mu    sync.Mutex
	times map[string]time.Time
	more  chan struct{}
}

func newWatcher() *watcher {
	return &watcher{times: map[string]time.Time{}, more: make(chan struct{})}
}

// watch is a plain watch of slices, in this process.
func watch(b *testing.B, kube kubernetes.Interface) *watcher {
	b.Helper()
	stream, err := kube.DiscoveryV1().EndpointSlices(namespace).Watch(b.Context(), metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stream.Stop)
	w := newWatcher()
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
			b.Fatalf("version %s is not seen", version)
		}
	}
}
