package discovery

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// note remembers where addresses are from.
func (w *world) note(at slot, one published) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(at, one)
}

func (w *world) noteLocked(at slot, one published) {
	for i := range one.health {
		for _, port := range podPorts {
			w.origin[fmt.Sprintf("%s:%d", addressOf(at.member, one.generation, i), port)] = origin{at, one.generation}
		}
	}
}

func (w *world) originOf(address string) (origin, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, known := w.origin[address]
	return found, known
}

func kubeServiceOf(name string, set int) *corev1.Service {
	one := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.Now()}}
	one.Spec.ClusterIP = "10.96.0.1"
	for _, port := range portSets[set] {
		one.Spec.Ports = append(one.Spec.Ports, corev1.ServicePort{Name: port.Name, Port: int32(port.Number)})
	}
	return one
}

func exportOf(name, weight string) *unstructured.Unstructured {
	one := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport",
		"metadata": map[string]any{"namespace": namespace, "name": name, "creationTimestamp": time.Now().UTC().Format(time.RFC3339)},
	}}
	if weight != "" {
		one.SetAnnotations(map[string]string{v1alpha1.AnnotationWeight: weight})
	}
	return one
}

func gkeExportOf(name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.Now()}}
}

func sliceOf(at slot, from published) *discoveryv1.EndpointSlice {
	one := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-%d", at.service, at.number), Labels: map[string]string{discoveryv1.LabelServiceName: at.service}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, name := range sortedKeys(podPorts) {
		number := int32(podPorts[name])
		one.Ports = append(one.Ports, discoveryv1.EndpointPort{Name: &name, Port: &number})
	}
	for i, health := range from.health {
		ready, serving := health == model.Serving, health != model.Unready
		terminating := health == model.Draining
		one.Endpoints = append(one.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{addressOf(at.member, from.generation, i)},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		})
	}
	return one
}
