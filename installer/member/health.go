package member

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// mostHealthURLs is how many pods are enough to see whether one is reached.
const mostHealthURLs = 3

// HealthURLs are where ready pods of the cluster's own add-ons answer plain HTTP,
// as their probes say: its DNS is nearly always among them. Pods with the address
// of their node are left out.
func (m *Member) HealthURLs(ctx context.Context) ([]string, error) {
	pods, err := m.Kube.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list pods of namespace %s: %w", metav1.NamespaceSystem, err)
	}
	var urls []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Spec.HostNetwork || pod.Status.PodIP == "" || !ready(pod) {
			continue
		}
		if url := healthURL(pod); url != "" && len(urls) < mostHealthURLs {
			urls = append(urls, url)
		}
	}
	return urls, nil
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// healthURL is that of the pod's first probe over plain HTTP; empty where there is none.
func healthURL(pod *corev1.Pod) string {
	for _, container := range pod.Spec.Containers {
		for _, probe := range []*corev1.Probe{container.ReadinessProbe, container.LivenessProbe} {
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Host != "" || probe.HTTPGet.Scheme == corev1.URISchemeHTTPS {
				continue
			}
			if port := numberOf(probe.HTTPGet.Port, container.Ports); port != 0 {
				return "http://" + net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port)) + "/" + strings.TrimPrefix(probe.HTTPGet.Path, "/")
			}
		}
	}
	return ""
}

func numberOf(port intstr.IntOrString, named []corev1.ContainerPort) int {
	for _, one := range named {
		if port.Type == intstr.String && one.Name == port.StrVal {
			return int(one.ContainerPort)
		}
	}
	return port.IntValue()
}
