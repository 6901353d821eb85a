package verify_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestRunInANamespaceThatExists(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		labels map[string]string
		taken  string // a Service that is there already
		exit   int
	}{
		"injected":                     {labels: map[string]string{"istio.io/rev": "default"}},
		"not injected is refused":      {labels: map[string]string{"istio.io/rev": "other"}, exit: problem.ExitRefused},
		"with our names in it refused": {labels: map[string]string{"istio.io/rev": "default"}, taken: "helloworld", exit: problem.ExitRefused},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMesh("east")
				kube := m.kube["east"]
				ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "sample", Labels: c.labels}}
				_ = kube.Tracker().Add(ns)
				other := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: "theirs"}}
				if c.taken != "" {
					other.Name = c.taken
				}
				_ = kube.Tracker().Add(other)
				_, err := verify.Run(t.Context(), istio.New(), m.clusters(), verify.Options{Namespace: "sample"})
				if problem.ExitCode(err) != c.exit {
					t.Errorf("err = %v, want exit %d", err, c.exit)
				}
				left, _ := kube.CoreV1().Services("sample").List(t.Context(), metav1.ListOptions{})
				if len(left.Items) != 1 || left.Items[0].Name != other.Name {
					t.Errorf("left %v, want only %s", left.Items, other.Name)
				}
				after, err := kube.CoreV1().Namespaces().Get(t.Context(), "sample", metav1.GetOptions{})
				if err != nil || !cmp.Equal(after.Labels, c.labels) {
					t.Errorf("the namespace changed: %v, %v", after, err)
				}
			})
		})
	}
}

func TestRunSweepsLeftovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMesh("east")
		add := func(name string, age time.Duration, labels ...string) {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
				Name: name, CreationTimestamp: metav1.NewTime(time.Now().Add(-age)),
				Labels: map[string]string{"eastwest.dev/verify-run": name},
			}}
			for _, l := range labels {
				ns.Labels[l] = "true"
			}
			_ = m.kube["east"].Tracker().Add(ns)
		}
		add("crashed", 2*time.Hour)
		add("running", 10*time.Minute)
		add("kept", 2*time.Hour, "eastwest.dev/verify-keep")
		if _, err := verify.Run(t.Context(), istio.New(), m.clusters(), verify.Options{}); err != nil {
			t.Fatal(err)
		}
		for name, gone := range map[string]bool{"crashed": true, "running": false, "kept": false, "istio-system": false} {
			_, err := m.kube["east"].CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) != gone {
				t.Errorf("namespace %s: gone is %v, want %v", name, !gone, gone)
			}
		}
	})
}
