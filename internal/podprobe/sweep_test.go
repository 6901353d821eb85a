package podprobe

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

// TestSweep deletes what no run can need any more, and nothing of anybody else's.
func TestSweep(t *testing.T) {
	t.Parallel()
	probe := func(name string, age time.Duration, phase corev1.PodPhase) *corev1.Pod {
		pod := podFor(Options{Namespace: "istio-system"}, nil)
		pod.Name, pod.CreationTimestamp, pod.Status.Phase = name, metav1.NewTime(time.Now().Add(-age)), phase
		return pod
	}
	foreign := probe("foreign", time.Hour, corev1.PodSucceeded)
	foreign.Labels = nil
	elsewhere := probe("elsewhere", time.Hour, corev1.PodSucceeded)
	elsewhere.Namespace = "other"
	pods := []runtime.Object{
		foreign, elsewhere,
		probe("ended-long-ago", time.Minute, corev1.PodSucceeded), probe("failed-long-ago", time.Minute, corev1.PodFailed),
		probe("just-ended", time.Second, corev1.PodSucceeded), probe("running", 50*time.Second, corev1.PodRunning),
		probe("outlived", 61*time.Second, corev1.PodPending),
	}
	for name, tc := range map[string]struct {
		all  bool
		left []string
	}{
		"what is over": {false, []string{"elsewhere", "foreign", "just-ended", "running"}},
		"all of it":    {true, []string{"elsewhere", "foreign"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube := fake.NewClientset(pods...)
			if err := Sweep(t.Context(), kube, "istio-system", tc.all); err != nil {
				t.Fatal(err)
			}
			list, err := kube.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, pod := range list.Items {
				left = append(left, pod.Name)
			}
			slices.Sort(left)
			if diff := cmp.Diff(tc.left, left); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
