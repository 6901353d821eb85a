package member

import (
	"context"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxWorkloads bounds how many workloads one wrong identity names.
const maxWorkloads = 10

// readProxies reads what live proxies were told at injection: the label on a
// namespace or the injector's values may have changed since.
func readProxies(ctx context.Context, m *Member, facts *Facts) error {
	identities := map[identityKey]*ProxyIdentity{}
	options := metav1.ListOptions{Limit: 500, LabelSelector: "service.istio.io/canonical-name"}
	for {
		pods, err := m.Kube.CoreV1().Pods(metav1.NamespaceAll).List(ctx, options)
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			count(identities, pod)
		}
		if pods.Continue == "" {
			break
		}
		options.Continue = pods.Continue
	}
	for _, identity := range identities {
		facts.Proxies = append(facts.Proxies, *identity)
	}
	sort.Slice(facts.Proxies, func(i, j int) bool { return facts.Proxies[i].Example < facts.Proxies[j].Example })
	return nil
}

// identityKey is what makes two proxies count as one identity.
type identityKey struct{ clusterID, network, meshID string }

func count(identities map[identityKey]*ProxyIdentity, pod corev1.Pod) {
	proxy := proxyContainer(pod)
	if proxy == nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	key := identityKey{}
	for _, variable := range proxy.Env {
		switch variable.Name {
		case "ISTIO_META_CLUSTER_ID":
			key.clusterID = variable.Value
		case "ISTIO_META_NETWORK":
			key.network = variable.Value
		case "ISTIO_META_MESH_ID":
			key.meshID = variable.Value
		}
	}
	if network := pod.Labels[NetworkLabel]; network != "" {
		key.network = network
	}
	identity, ok := identities[key]
	if !ok {
		identity = &ProxyIdentity{
			ClusterID: key.clusterID, Network: key.network, MeshID: key.meshID,
			Example: pod.Namespace + "/" + pod.Name,
		}
		identities[key] = identity
	}
	identity.Count++
	workload := pod.Namespace + "/" + pod.Labels["service.istio.io/canonical-name"]
	if len(identity.Workloads) < maxWorkloads && !slices.Contains(identity.Workloads, workload) {
		identity.Workloads = append(identity.Workloads, workload)
	}
}

// proxyContainer is the proxy of an injected pod, in either place where
// Kubernetes runs sidecars.
func proxyContainer(pod corev1.Pod) *corev1.Container {
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			if containers[i].Name == "istio-proxy" {
				return &containers[i]
			}
		}
	}
	return nil
}
