package harness

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Proxy is the container that injection adds.
const Proxy = "istio-proxy"

// State is what a pod has come to.
type State struct {
	Ready bool
	// Bare says that it exists without a sidecar: it never gets one.
	Bare bool
	// Stuck says that waiting will not help.
	Stuck bool
	// Refused says that there is no pod, since the API server turns it down.
	Refused bool
	// Reason is why it is not ready, in words.
	Reason string
}

// hopeless are reasons for which the kubelet retries but a person must act.
var hopeless = []string{
	"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "RunContainerError",
}

// StateOf judges a pod; plain ones need no sidecar.
func StateOf(pod corev1.Pod, plain bool) State {
	if !plain && !sidecar(pod) {
		return State{Bare: true, Stuck: true, Reason: "it has no sidecar"}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return State{Ready: true}
		}
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return State{Reason: "not scheduled: " + c.Message}
		}
	}
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if w := c.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
			s := State{Reason: fmt.Sprintf("container %s: %s", c.Name, w.Reason)}
			if w.Message != "" {
				s.Reason += ": " + w.Message
			}
			for _, h := range hopeless {
				s.Stuck = s.Stuck || h == w.Reason
			}
			return s
		}
	}
	return State{Reason: fmt.Sprintf("phase %s, ready containers %s", pod.Status.Phase, readiness(pod))}
}

// sidecar looks in both places: a native sidecar is an init container.
func sidecar(pod corev1.Pod) bool {
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if c.Name == Proxy {
			return true
		}
	}
	return false
}

// readiness is the column READY of kubectl.
func readiness(pod corev1.Pod) string {
	ready, all := 0, len(pod.Spec.Containers)
	for _, c := range pod.Status.ContainerStatuses {
		if c.Ready {
			ready++
		}
	}
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			all++
		}
	}
	for _, c := range pod.Status.InitContainerStatuses {
		if c.Ready && c.Name == Proxy {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, all)
}

// Env is the value of a variable of the sidecar, empty if it has none.
func Env(pod corev1.Pod, name string) string {
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if c.Name != Proxy {
			continue
		}
		for _, e := range c.Env {
			if e.Name == name {
				return e.Value
			}
		}
	}
	return ""
}

// Network is where istiod puts a pod: its own label, else that of the
// namespace of istiod.
func Network(pod corev1.Pod, namespace string) string {
	if n := pod.Labels["topology.istio.io/network"]; n != "" {
		return n
	}
	return strings.TrimSpace(namespace)
}
