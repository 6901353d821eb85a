package member

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
)

func TestHealthURLs(t *testing.T) {
	t.Parallel()
	probe := func(port intstr.IntOrString) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: port}}}
	}
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		want   []string
	}{
		"a ready pod":         {func(*corev1.Pod) {}, []string{"http://10.1.0.5:8181/ready"}},
		"an address of IPv6":  {func(p *corev1.Pod) { p.Status.PodIP = "fd00::5" }, []string{"http://[fd00::5]:8181/ready"}},
		"it is not ready":     {func(p *corev1.Pod) { p.Status.Conditions = nil }, nil},
		"it has no address":   {func(p *corev1.Pod) { p.Status.PodIP = "" }, nil},
		"its node's address":  {func(p *corev1.Pod) { p.Spec.HostNetwork = true }, nil},
		"another namespace":   {func(p *corev1.Pod) { p.Namespace = "shop" }, nil},
		"no probe":            {func(p *corev1.Pod) { p.Spec.Containers[0].ReadinessProbe = nil }, nil},
		"a probe over TLS":    {func(p *corev1.Pod) { p.Spec.Containers[0].ReadinessProbe.HTTPGet.Scheme = corev1.URISchemeHTTPS }, nil},
		"a port nobody names": {func(p *corev1.Pod) { p.Spec.Containers[0].ReadinessProbe = probe(intstr.FromString("web")) }, nil},
		"a port by its name": {func(p *corev1.Pod) {
			p.Spec.Containers[0].LivenessProbe, p.Spec.Containers[0].ReadinessProbe = probe(intstr.FromString("health")), nil
		}, []string{"http://10.1.0.5:8080/ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "coredns-0"},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					ReadinessProbe: probe(intstr.FromInt32(8181)), Ports: []corev1.ContainerPort{{Name: "health", ContainerPort: 8080}},
				}}},
				Status: corev1.PodStatus{PodIP: "10.1.0.5", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
			}
			tc.change(pod)
			m := &Member{Kube: fake.NewClientset(pod)}
			got, err := m.HealthURLs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
