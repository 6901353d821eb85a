package podprobe

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func waitingFor(reason, message string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	}}}
}

// TestRunDeletesItsPod, whatever becomes of it. The fake API server has no logs
// of its own, so a pod that ends is one without a result.
func TestRunDeletesItsPod(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status corev1.PodStatus
		limit  time.Duration
		want   string
	}{
		"it succeeds":           {corev1.PodStatus{Phase: corev1.PodSucceeded}, time.Minute, "its image needs sh and curl"},
		"it fails":              {corev1.PodStatus{Phase: corev1.PodFailed}, time.Minute, "its image needs sh and curl"},
		"its image is not here": {waitingFor("ImagePullBackOff", "no such image"), time.Minute, "cannot run: ImagePullBackOff: no such image"},
		"it cannot be made":     {waitingFor("CreateContainerConfigError", "x"), time.Minute, "cannot run: CreateContainerConfigError: x"},
		"it is never scheduled": {corev1.PodStatus{}, time.Second / 2, "did not end (it was not scheduled)"},
		"it starts for ever":    {waitingFor("ContainerCreating", ""), time.Second / 2, "did not end (ContainerCreating)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube := fake.NewClientset()
			kube.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
				pod := action.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
				pod.Name, pod.Status = pod.GenerateName+"x", tc.status
				return false, nil, nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), tc.limit)
			defer cancel()
			_, err := Run(ctx, kube, Options{Namespace: "istio-system", Image: "proxy"}, []Target{{URL: "https://a"}})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			left, err := kube.CoreV1().Pods("istio-system").List(t.Context(), metav1.ListOptions{})
			if err != nil || len(left.Items) > 0 {
				t.Errorf("left: %v, %v", left.Items, err)
			}
		})
	}
}

func TestRunWithoutTargetsDoesNothing(t *testing.T) {
	t.Parallel()
	kube := fake.NewClientset()
	if results, err := Run(t.Context(), kube, Options{}, nil); len(results) > 0 || err != nil || len(kube.Actions()) > 0 {
		t.Errorf("got %v, %v, %v", results, err, kube.Actions())
	}
}

func TestRunNamesTheNamespaceItMayNotUse(t *testing.T) {
	t.Parallel()
	kube := fake.NewClientset()
	forbidden := errors.New("forbidden")
	kube.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, forbidden })
	_, err := Run(t.Context(), kube, Options{Namespace: "istio-system"}, []Target{{URL: "https://a"}})
	if !errors.Is(err, forbidden) || !strings.Contains(err.Error(), "istio-system") {
		t.Errorf("got %v", err)
	}
}

// TestPodIsHarmless: it runs beside other people's workloads.
func TestPodIsHarmless(t *testing.T) {
	t.Parallel()
	pod := podFor(Options{Namespace: "istio-system", Image: "proxy"}, []Target{{URL: "https://a/$(HOME)", CA: []byte("$x")}, {URL: "https://b"}})
	spec := pod.Spec
	container := spec.Containers[0]
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken || spec.RestartPolicy != corev1.RestartPolicyNever ||
		!*spec.SecurityContext.RunAsNonRoot || *container.SecurityContext.AllowPrivilegeEscalation || container.SecurityContext.Capabilities.Drop[0] != "ALL" {
		t.Errorf("got %+v", spec)
	}
	if *spec.ActiveDeadlineSeconds != 60 || *podFor(Options{Life: 5 * time.Second}, nil).Spec.ActiveDeadlineSeconds != 5 {
		t.Error("its life is not bounded")
	}
	if pod.Labels[Label] != "true" || pod.Labels["sidecar.istio.io/inject"] != "false" || pod.Labels["app.kubernetes.io/managed-by"] != "eastwest" {
		t.Errorf("labels %v", pod.Labels)
	}
	env := map[string]string{}
	for _, variable := range container.Env {
		env[variable.Name] = variable.Value
	}
	if env["TARGETS"] != "2" || env["URL_0"] != "https://a/$$(HOME)" || env["CA_0"] != "$$x" || env["URL_1"] != "https://b" {
		t.Errorf("got %v", env)
	}
}
