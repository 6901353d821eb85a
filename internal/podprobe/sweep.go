package podprobe

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Sweep deletes probe pods that a killed run left behind: those that have ended
// or outlived their deadline, or with all also those that may still be in use.
func Sweep(ctx context.Context, kube kubernetes.Interface, namespace string, all bool) error {
	pods, err := kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: Label + "=true"})
	if err != nil {
		return fmt.Errorf("list probe pods in namespace %s: %w", namespace, err)
	}
	now := int64(0)
	for _, pod := range pods.Items {
		if !all && !over(pod) {
			continue
		}
		err := kube.CoreV1().Pods(namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete probe pod %s/%s: %w", namespace, pod.Name, err)
		}
	}
	return nil
}

// over reports whether a probe pod can be of no use to any run.
func over(pod corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		// A run reads the log within seconds of the end.
		return time.Since(pod.CreationTimestamp.Time) > minAge
	}
	deadline := pod.Spec.ActiveDeadlineSeconds
	return deadline != nil && time.Since(pod.CreationTimestamp.Time) > time.Duration(*deadline)*time.Second
}

// minAge keeps a run from deleting the pod of another that is about to read it.
const minAge = 30 * time.Second
