package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

// askerName is the pod from which a cluster is looked at.
const askerName = "request"

// startAsker makes the pod to ask from, and waits until it runs.
func (s *scene) startAsker(ctx context.Context, m *Member) error {
	pods := m.Kube.CoreV1().Pods(s.namespace)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: askerName},
		Spec:       s.pod("trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"),
	}
	return eventually(ctx, setupBound, func(ctx context.Context) error {
		live, err := pods.Get(ctx, askerName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			// It is refused until the namespace has its service account.
			live, err = pods.Create(ctx, pod, metav1.CreateOptions{})
		}
		if err != nil {
			return fmt.Errorf("start pod %s/%s: %w", s.namespace, askerName, err)
		}
		if live.Status.Phase != corev1.PodRunning {
			return notYet(live)
		}
		return nil
	})
}

// helloPods waits until so many pods are ready behind the Service of a cluster.
func (s *scene) helloPods(ctx context.Context, m *Member, count int) ([]corev1.Pod, error) {
	var pods []corev1.Pod
	err := eventually(ctx, setupBound, func(ctx context.Context) error {
		list, err := m.Kube.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + helloName})
		if err != nil {
			return fmt.Errorf("cluster %s: list pods of namespace %s: %w", m.Name, s.namespace, err)
		}
		if pods = list.Items; len(pods) != count {
			return fmt.Errorf("cluster %s: %d pods of %s, want %d", m.Name, len(pods), helloName, count)
		}
		for i := range pods {
			if !ready(&pods[i]) {
				return fmt.Errorf("cluster %s: %w", m.Name, notYet(&pods[i]))
			}
		}
		return nil
	})
	return pods, err
}

func ready(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && len(pod.Status.PodIPs) > 0
		}
	}
	return false
}

// notYet says what keeps a pod. An image that cannot be pulled is final.
func notYet(pod *corev1.Pod) error {
	for _, one := range pod.Status.ContainerStatuses {
		if waiting := one.State.Waiting; waiting != nil {
			err := fmt.Errorf("pod %s/%s: %s: %s", pod.Namespace, pod.Name, waiting.Reason, waiting.Message)
			if slices.Contains(hopeless, waiting.Reason) {
				return final{err}
			}
			return err
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Status == corev1.ConditionFalse && condition.Message != "" {
			return fmt.Errorf("pod %s/%s: %s", pod.Namespace, pod.Name, condition.Message)
		}
	}
	return fmt.Errorf("pod %s/%s: phase %q", pod.Namespace, pod.Name, pod.Status.Phase)
}

// hopeless are reasons for which a person must act, though the kubelet tries again.
var hopeless = []string{"ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}

// addresses are those of pods, of all families.
func addresses(pods []corev1.Pod) []string {
	var all []string
	for _, pod := range pods {
		for _, ip := range pod.Status.PodIPs {
			all = append(all, ip.IP)
		}
	}
	return all
}

// noTool is the exit code of a script whose tool the image lacks.
const noTool = 97

// exec runs a script in the pod that asks and returns what it printed.
func (s *scene) exec(ctx context.Context, m *Member, bound time.Duration, tool, script string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	target := podexec.Target{Namespace: s.namespace, Pod: askerName, Container: "main"}
	script = fmt.Sprintf("command -v %s >/dev/null || exit %d\n%s\nexit 0", tool, noTool, script)
	run := m.Exec
	if run == nil {
		run = func(ctx context.Context, target podexec.Target, command ...string) ([]byte, error) {
			return podexec.Run(ctx, m.Config, m.Kube, target, command...)
		}
	}
	out, err := run(ctx, target, "/bin/sh", "-c", script)
	var exit *podexec.ExitError
	if errors.As(err, &exit) && exit.Code == noTool {
		return "", fmt.Errorf("image %s has no %s", s.run.options.Image, tool)
	}
	return string(out), err
}
