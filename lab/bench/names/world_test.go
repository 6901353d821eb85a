//go:build bench

package names

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// namespace is that of all services; the agent exports all of it.
const namespace = "bench"

// importsCRD is the definition of ServiceImport. That of ServiceExport is left out, so
// that the agent writes no import of its own.
const importsCRD = "../../../manifests/charts/eastwest-mcs-crds/crds/multicluster.x-k8s.io_serviceimports.yaml"

// world is what both servers read. One EndpointSlice is both: that of a Service, which
// the agent reads, and that of an import, which CoreDNS reads.
type world struct {
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	imports dynamic.ResourceInterface
}

func newWorld(b *testing.B) *world {
	b.Helper()
	w := &world{kube: testapi.Client(b)}
	var err error
	if w.dynamic, err = dynamic.NewForConfig(testapi.Config(b)); err != nil {
		b.Fatal(err)
	}
	w.imports = w.dynamic.Resource(schema.GroupVersionResource{Group: "multicluster.x-k8s.io", Version: "v1alpha1", Resource: "serviceimports"}).Namespace(namespace)
	w.define(b)
	for _, name := range []string{namespace, "eastwest-system"} {
		_, err := w.kube.CoreV1().Namespaces().Create(b.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		wantMade(b, err)
	}
	// The Service with an address and the slices are made here, once for both servers.
	sides.HoldLease(b, w.kube)
	return w
}

func wantMade(b *testing.B, err error) {
	b.Helper()
	if err != nil && !errors.IsAlreadyExists(err) {
		b.Fatal(err)
	}
}

// define makes the kind ServiceImport and waits until it is served.
func (w *world) define(b *testing.B) {
	b.Helper()
	text, err := os.ReadFile(importsCRD)
	if err != nil {
		b.Fatal(err)
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &crd.Object); err != nil {
		b.Fatal(err)
	}
	resource := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	_, err = w.dynamic.Resource(resource).Create(b.Context(), crd, metav1.CreateOptions{})
	wantMade(b, err)
	sides.Await(b, "ServiceImports are served", func(ctx context.Context) error {
		_, err := w.imports.List(ctx, metav1.ListOptions{})
		return err
	})
}

var ports = []any{map[string]any{"name": "http", "port": int64(80), "protocol": "TCP"}}

// addressed makes a service with an address in this cluster. derived is the name of the
// Service that has it.
func (w *world) addressed(b *testing.B, name, derived string) {
	b.Helper()
	w.service(b, name, nil, "")
	w.service(b, derived, map[string]string{"eastwest.dev/derived": "true"}, "")
	object, err := w.kube.CoreV1().Services(namespace).Get(b.Context(), derived, metav1.GetOptions{})
	if err != nil {
		b.Fatal(err)
	}
	w.imported(b, name, map[string]any{"type": "ClusterSetIP", "ips": []any{object.Spec.ClusterIP}, "ports": ports})
	w.slice(b, name, []string{"10.9.9.9"})
}

// headless makes a service whose name leads to its endpoints.
func (w *world) headless(b *testing.B, name string, addresses []string) *discoveryv1.EndpointSlice {
	b.Helper()
	w.service(b, name, nil, corev1.ClusterIPNone)
	w.imported(b, name, map[string]any{"type": "Headless", "ports": ports})
	return w.slice(b, name, addresses)
}

func (w *world) service(b *testing.B, name string, labels map[string]string, address string) {
	b.Helper()
	_, err := w.kube.CoreV1().Services(namespace).Create(b.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.ServiceSpec{ClusterIP: address, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	wantMade(b, err)
}

func (w *world) imported(b *testing.B, name string, spec map[string]any) {
	b.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceImport", "metadata": map[string]any{"name": name}, "spec": spec,
	}}
	_, err := w.imports.Create(b.Context(), object, metav1.CreateOptions{})
	wantMade(b, err)
}

func (w *world) slice(b *testing.B, name string, addresses []string) *discoveryv1.EndpointSlice {
	b.Helper()
	made := sliceOf(name, addresses)
	_, err := w.kube.DiscoveryV1().EndpointSlices(namespace).Create(b.Context(), made, metav1.CreateOptions{})
	wantMade(b, err)
	return made
}

func sliceOf(name string, addresses []string) *discoveryv1.EndpointSlice {
	port, number, ready := "http", int32(80), true
	out := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			discoveryv1.LabelServiceName: name, "multicluster.kubernetes.io/service-name": name,
		}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &port, Port: &number}},
	}
	for _, address := range addresses {
		out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
	}
	return out
}

// addresses are so many, those of one prefix with two parts.
func addresses(prefix string, count int) []string {
	out := make([]string, count)
	for i := range out {
		out[i] = fmt.Sprintf("%s.%d.%d", prefix, i/200, i%200+1)
	}
	return out
}

// derivedName is the name of the Service that stands for another one, which the agent
// looks for: the one that the reference controllers of the API give.
func derivedName(namespace, name string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return "derived-" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:10])
}
