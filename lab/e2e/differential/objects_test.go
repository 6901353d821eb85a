//go:build e2e

package differential

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

const (
	// namespace is where both must be equal.
	namespace = "same"
	// shipped is a namespace in which istiod does with endpoints that are not ready
	// what it does by default.
	shipped = "shipped"
)

// namespaces of the test. With minHealthPercent istiod leaves out endpoints that are
// not ready, instead of telling Envoy of their state.
const namespaces = `
apiVersion: v1
kind: Namespace
metadata: {name: same}
---
apiVersion: v1
kind: Namespace
metadata: {name: shipped}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: all, namespace: same}
spec:
  host: "*.same.svc.cluster.local"
  trafficPolicy: {outlierDetection: {minHealthPercent: 1}}
`

// at is one of the clusters, counted from 1, and a namespace of it.
type at struct {
	w         *world
	cluster   int
	namespace string
}

func (w *world) in(cluster int) at { return at{w, cluster, namespace} }

// service makes or changes a Service. A port is "NAME:NUMBER"; changes edit it.
func (a at) service(t *testing.T, name string, ports []string, changes ...func(*corev1.Service)) {
	t.Helper()
	one := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: a.namespace}}
	for _, text := range ports {
		name, number := port(t, text)
		one.Spec.Ports = append(one.Spec.Ports, corev1.ServicePort{Name: name, Port: number})
	}
	for _, change := range changes {
		change(one)
	}
	api := a.w.kube[a.cluster-1].CoreV1().Services(a.namespace)
	_, err := api.Update(t.Context(), one, metav1.UpdateOptions{})
	if errors.IsNotFound(err) {
		_, err = api.Create(t.Context(), one, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (a at) deleteService(t *testing.T, name string) {
	t.Helper()
	if err := a.w.kube[a.cluster-1].CoreV1().Services(a.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// slice makes or changes an EndpointSlice NAME of a service, which is what comes
// before the last dash of NAME. An endpoint is "ADDRESS,WORD,WORD": see endpoint.
func (a at) slice(t *testing.T, name string, ports []string, endpoints ...string) {
	t.Helper()
	one := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: a.namespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: name[:strings.LastIndexByte(name, '-')]},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{},
	}
	for _, text := range ports {
		name, number := port(t, text)
		one.Ports = append(one.Ports, discoveryv1.EndpointPort{Name: &name, Port: &number})
	}
	for _, text := range endpoints {
		made, family := endpoint(t, text)
		made.TargetRef = sides.StandIn(t, a.w.kube[a.cluster-1], a.namespace, made.Addresses[0])
		one.Endpoints, one.AddressType = append(one.Endpoints, made), family
	}
	api := a.w.kube[a.cluster-1].DiscoveryV1().EndpointSlices(a.namespace)
	_, err := api.Update(t.Context(), one, metav1.UpdateOptions{})
	if errors.IsNotFound(err) {
		_, err = api.Create(t.Context(), one, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (a at) deleteSlice(t *testing.T, name string) {
	t.Helper()
	if err := a.w.kube[a.cluster-1].DiscoveryV1().EndpointSlices(a.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}
