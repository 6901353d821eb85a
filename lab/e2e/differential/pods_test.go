//go:build e2e

package differential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// gate is a condition of pods that the test sets, and that they are ready by.
const gate = "test/ready"

// testPods leaves the slices to the controllers of Kubernetes: two pods that call
// another port "web", a Service of those that are ready and one of all.
func testPods(t *testing.T, w *world) {
	c1 := w.in(1)
	c1.service(t, "pods", words("http:80"), selecting(false))
	c1.service(t, "all-pods", words("http:80"), selecting(true))
	first, second := c1.pod(t, "pods-1", 8080), c1.pod(t, "pods-2", 9090)
	told := func(pods, all string, gatewayForPods bool) told {
		here, there := map[string]string{"all-pods:80": all}, map[string]string{"all-pods:80": "c1"}
		if pods != "" {
			here["pods:80"] = pods
		}
		if gatewayForPods {
			there["pods:80"] = "c1"
		}
		return [2]map[string]string{here, there}
	}
	both := []string{first, second}
	slices.Sort(both)
	all := strings.Join(both, " ")
	for _, step := range []struct {
		ready [2]bool
		pods  string
	}{{[2]bool{}, ""}, {[2]bool{true, true}, all}, {[2]bool{false, true}, second}, {[2]bool{}, ""}, {[2]bool{true, false}, first}} {
		c1.setReady(t, "pods-1", step.ready[0])
		c1.setReady(t, "pods-2", step.ready[1])
		want := told(step.pods, all, step.pods != "")
		w.awaitTold(t, want, want, "pods", "all-pods")
	}
}

// selecting makes a Service of the pods' port "web", of those that are not ready too
// where publish is true.
func selecting(publish bool) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.Spec.Selector, s.Spec.PublishNotReadyAddresses = map[string]string{"app": "pods"}, publish
		s.Spec.Ports[0].TargetPort = intstr.FromString("web")
	}
}

// pod runs a pod and returns where it would listen.
func (a at) pod(t *testing.T, name string, web int32) string {
	t.Helper()
	pods := a.w.kube[a.cluster-1].CoreV1().Pods(a.namespace)
	now := int64(0)
	_, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "pods", sides.Sidecar: "istio"}},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: "pod", Image: "lab.local/pause:lab", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: web}},
			}},
			ReadinessGates: []corev1.PodReadinessGate{{ConditionType: gate}}, TerminationGracePeriodSeconds: &now,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var ip string
	rig.Await(t, "pod "+name+" runs", time.Minute, func(ctx context.Context) error {
		one, err := pods.Get(ctx, name, metav1.GetOptions{})
		if err == nil && one.Status.Phase != corev1.PodRunning {
			err = errors.New(string(one.Status.Phase))
		}
		if err == nil {
			ip = one.Status.PodIP
		}
		return err
	})
	return fmt.Sprintf("%s:%d", ip, web)
}

func (a at) setReady(t *testing.T, name string, ready bool) {
	t.Helper()
	status := map[bool]string{true: "True", false: "False"}[ready]
	suite.Kubectl(t, a.cluster, "-n", a.namespace, "patch", "pod", name, "--subresource", "status",
		"-p", fmt.Sprintf(`{"status": {"conditions": [{"type": %q, "status": %q}]}}`, gate, status))
}
