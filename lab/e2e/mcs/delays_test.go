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
		suite.Kubectl(t, 1, "-n", space, "scale", "deployment/hello", fmt.Sprintf("--replicas=%d", 2-round%2))
		followed = append(followed, follows(t, clients, 2-round%2))
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

// follows is how much later an importer has so many endpoints than the exporter.
func follows(t *testing.T, clients []dynamic.Interface, count int) time.Duration {
	t.Helper()
	own := reached(t, clients[0], "kubernetes.io/service-name=hello", count)
	theirs := reached(t, clients[1], "multicluster.kubernetes.io/service-name=hello", count)
	first, second := <-own, <-theirs
	if first.IsZero() || second.IsZero() {
		t.Fatalf("slices have not %d endpoints within two minutes", count)
	}
	return max(second.Sub(first), 0)
}

// reached tells when the slices of a cluster have so many endpoints that are ready;
// the zero time where that does not come.
func reached(t *testing.T, client dynamic.Interface, selector string, count int) <-chan time.Time {
	at := make(chan time.Time, 1)
	go func() {
		defer close(at)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		for ctx.Err() == nil {
			list, err := client.Resource(endpointSlices).Namespace(space).List(ctx, metav1.ListOptions{LabelSelector: selector})
			if err == nil && ready(list.Items) == count {
				at <- time.Now()
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return at
}

// ready counts the endpoints that are ready.
func ready(all []unstructured.Unstructured) int {
	count := 0
	for _, one := range all {
		endpoints, _, _ := unstructured.NestedSlice(one.Object, "endpoints")
		for _, each := range endpoints {
			endpoint, _ := each.(map[string]any)
			if is, _, _ := unstructured.NestedBool(endpoint, "conditions", "ready"); is {
				count++
			}
		}
	}
	return count
}
