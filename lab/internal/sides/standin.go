package sides

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Sidecar is the label of pods that have one, with the value "istio".
const Sidecar = "security.istio.io/tlsMode"

// StandIn makes a pod that has an address and a sidecar and never runs, where there
// is none yet: istiod leads through gateways to what it takes for pods with sidecars
// only.
func StandIn(t testing.TB, kube kubernetes.Interface, namespace, address string) *corev1.ObjectReference {
	t.Helper()
	name := "pod-" + strings.NewReplacer(".", "-", ":", "-").Replace(address)
	pods := kube.CoreV1().Pods(namespace)
	one, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{Sidecar: "istio"}},
		Spec: corev1.PodSpec{
			Containers:      []corev1.Container{{Name: "none", Image: "none"}},
			SchedulingGates: []corev1.PodSchedulingGate{{Name: "test/never"}},
		},
	}, metav1.CreateOptions{})
	if err == nil {
		one.Status.Phase = corev1.PodRunning
		one.Status.PodIP, one.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
		one.Status.Conditions = append(one.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
		_, err = pods.UpdateStatus(t.Context(), one, metav1.UpdateOptions{})
	}
	if err != nil && !errors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	return &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: name}
}
