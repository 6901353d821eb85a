package member

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// proxied is a pod with a proxy that was told an identity.
func proxied(name, workload, clusterID, network string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"service.istio.io/canonical-name": workload}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}, {Name: "istio-proxy", Env: []corev1.EnvVar{
			{Name: "ISTIO_META_CLUSTER_ID", Value: clusterID},
			{Name: "ISTIO_META_NETWORK", Value: network},
			{Name: "ISTIO_META_MESH_ID", Value: "mesh-1"},
			{Name: "OTHER", Value: "x"},
		}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// native moves the proxy to where Kubernetes runs sidecars natively.
func native(pod corev1.Pod) corev1.Pod {
	pod.Spec.InitContainers, pod.Spec.Containers = pod.Spec.Containers[1:], pod.Spec.Containers[:1]
	return pod
}

func with(pod corev1.Pod, change func(*corev1.Pod)) corev1.Pod {
	change(&pod)
	return pod
}

// TestProxies counts the identities that live proxies were told.
func TestProxies(t *testing.T) {
	t.Parallel()
	east := func(count int, example string, workloads ...string) ProxyIdentity {
		return ProxyIdentity{ClusterID: "east", Network: "net-east", MeshID: "mesh-1", Count: count, Example: example, Workloads: workloads}
	}
	for name, tc := range map[string]struct {
		pods []corev1.Pod
		want map[string]ProxyIdentity // by cluster ID and network
	}{
		"in both places where a sidecar may be": {
			[]corev1.Pod{proxied("a-1", "a", "east", "net-east"), native(proxied("b-1", "b", "east", "net-east")), proxied("a-2", "a", "east", "net-east")},
			map[string]ProxyIdentity{"east net-east": east(3, "shop/a-1", "shop/a", "shop/b")},
		},
		"each identity on its own": {
			[]corev1.Pod{proxied("a-1", "a", "east", "net-east"), proxied("b-1", "b", "Kubernetes", "")},
			map[string]ProxyIdentity{
				"east net-east": east(1, "shop/a-1", "shop/a"),
				"Kubernetes ":   {ClusterID: "Kubernetes", MeshID: "mesh-1", Count: 1, Example: "shop/b-1", Workloads: []string{"shop/b"}},
			},
		},
		"a pod's own network label counts": {
			[]corev1.Pod{with(proxied("a-1", "a", "east", ""), func(p *corev1.Pod) { p.Labels[NetworkLabel] = "net-east" })},
			map[string]ProxyIdentity{"east net-east": east(1, "shop/a-1", "shop/a")},
		},
		"what has ended, and what has no proxy": {
			[]corev1.Pod{
				with(proxied("a-1", "a", "east", "net-east"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
				with(proxied("a-2", "a", "east", "net-east"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
				with(proxied("a-3", "a", "east", "net-east"), func(p *corev1.Pod) { p.Spec.Containers = p.Spec.Containers[:1] }),
			},
			map[string]ProxyIdentity{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			identities := map[identityKey]*ProxyIdentity{}
			for _, pod := range tc.pods {
				count(identities, pod)
			}
			got := map[string]ProxyIdentity{}
			for key, identity := range identities {
				got[key.clusterID+" "+key.network] = *identity
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWorkloadsAreNamedToALimit(t *testing.T) {
	t.Parallel()
	identities := map[identityKey]*ProxyIdentity{}
	for i := range 3 * maxWorkloads {
		count(identities, proxied(fmt.Sprint("p-", i), fmt.Sprint("w-", i), "east", "net-east"))
	}
	for _, identity := range identities {
		if identity.Count != 3*maxWorkloads || len(identity.Workloads) != maxWorkloads {
			t.Errorf("counted %d, named %d", identity.Count, len(identity.Workloads))
		}
	}
}
