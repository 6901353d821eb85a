//go:build e2e

package mcs

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	exports        = schema.GroupVersionResource{Group: "net.gke.io", Version: "v1", Resource: "serviceexports"}
	imports        = schema.GroupVersionResource{Group: "net.gke.io", Version: "v1", Resource: "serviceimports"}
	endpointSlices = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
)

// rounds is how often each delay is measured.
const rounds = 7

// delays measures, and prints, how long the set takes to follow: from an export to the
// import with its address in the last cluster, from the exporter's own EndpointSlice
// to that of an importer, and from the withdrawal to the end of the last import. Only
// that it happens at all is asserted.
func delays(t *testing.T) {
	clients := make([]dynamic.Interface, 3)
	for i := range clients {
		config, err := clientcmd.BuildConfigFromFlags("", suite.Cluster(i+1).Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		config.QPS = -1
		if clients[i], err = dynamic.NewForConfig(config); err != nil {
			t.Fatal(err)
		}
	}
	var imported, followed, gone []time.Duration
	own := watchSlices(t, clients[0], "kubernetes.io/service-name=hello")
	for round := range rounds {
		withdrawn := time.Now()
		if err := clients[0].Resource(exports).Namespace(space).Delete(t.Context(), "hello", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		gone = append(gone, last(t, clients, "no import", hasImport(false)).Sub(withdrawn))
		exported := time.Now()
		one := &unstructured.Unstructured{}
		one.SetGroupVersionKind(exports.GroupVersion().WithKind("ServiceExport"))
		one.SetName("hello")
		if _, err := clients[0].Resource(exports).Namespace(space).Create(t.Context(), one, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		imported = append(imported, last(t, clients, "import", hasImport(true)).Sub(exported))
		replicas := 2 - round%2
		theirs := watchSlices(t, clients[1], "multicluster.kubernetes.io/service-name=hello")
		theirs.reached(t, 3-replicas)
		suite.Kubectl(t, 1, "-n", space, "scale", "deployment/hello", fmt.Sprintf("--replicas=%d", replicas))
		changed := own.reached(t, replicas)
		followed = append(followed, theirs.reached(t, replicas).Sub(changed))
	}
	for _, one := range []struct {
		what string
		all  []time.Duration
	}{
		{"export to import in all clusters", imported},
		{"endpoint's change to slice of an importer", followed},
		{"withdrawal to no import in any cluster", gone},
	} {
		slices.Sort(one.all)
		t.Logf("%s: median %s, worst %s of %d", one.what, one.all[rounds/2].Round(time.Millisecond), one.all[rounds-1].Round(time.Millisecond), rounds)
	}
}

// last is when all clusters had something.
func last(t *testing.T, clients []dynamic.Interface, what string, has func(context.Context, dynamic.Interface) bool) time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, client := range clients {
		for !has(ctx, client) {
			select {
			case <-ctx.Done():
				t.Fatalf("c%d: %s: not within a minute", i+1, what)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return time.Now()
}

// hasImport asks whether there is an import with an address, or none at all.
func hasImport(wanted bool) func(context.Context, dynamic.Interface) bool {
	return func(ctx context.Context, client dynamic.Interface) bool {
		one, err := client.Resource(imports).Namespace(space).Get(ctx, "hello", metav1.GetOptions{})
		if !wanted {
			return err != nil && ctx.Err() == nil
		}
		if err != nil {
			return false
		}
		addresses, _, _ := unstructured.NestedSlice(one.Object, "spec", "ips")
		return len(addresses) > 0
	}
}

// slicesOf tells, of a cluster, when its slices had another number of endpoints that
// are ready. It watches, for to ask takes longer than what is measured.
type slicesOf struct {
	counts chan counted
}

type counted struct {
	ready int
	at    time.Time
}

// watchSlices watches until the test ends.
func watchSlices(t *testing.T, client dynamic.Interface, selector string) *slicesOf {
	t.Helper()
	options := metav1.ListOptions{LabelSelector: selector}
	stream, err := client.Resource(endpointSlices).Namespace(space).Watch(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	s := &slicesOf{counts: make(chan counted, 1000)}
	go func() {
		have, last := map[string]int{}, -1
		for event := range stream.ResultChan() {
			at := time.Now()
			one, ok := event.Object.(*unstructured.Unstructured)
			if !ok {
				continue
			}
			if have[one.GetName()] = ready(one); event.Type == watch.Deleted {
				delete(have, one.GetName())
			}
			sum := 0
			for _, count := range have {
				sum += count
			}
			if sum != last {
				s.counts <- counted{sum, at}
			}
			last = sum
		}
	}()
	return s
}

// reached waits until there are so many, and says since when.
func (s *slicesOf) reached(t *testing.T, count int) time.Time {
	t.Helper()
	end := time.After(2 * time.Minute)
	for {
		select {
		case one := <-s.counts:
			if one.ready == count {
				return one.at
			}
		case <-end:
			t.Fatalf("slices have not %d endpoints within two minutes", count)
		}
	}
}

// ready counts the endpoints that are ready.
func ready(slice *unstructured.Unstructured) int {
	count := 0
	endpoints, _, _ := unstructured.NestedSlice(slice.Object, "endpoints")
	for _, each := range endpoints {
		endpoint, _ := each.(map[string]any)
		if is, _, _ := unstructured.NestedBool(endpoint, "conditions", "ready"); is {
			count++
		}
	}
	return count
}
