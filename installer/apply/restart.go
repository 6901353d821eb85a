package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Workload is something whose pods can be restarted by rolling it out.
type Workload struct {
	Kind, Namespace, Name string
}

func (w Workload) String() string { return w.Kind + " " + w.Namespace + "/" + w.Name }

// restartAnnotation is what kubectl rollout restart sets.
const restartAnnotation = "kubectl.kubernetes.io/restartedAt"

// injectedLabel is on every pod that istiod has injected.
const injectedLabel = "service.istio.io/canonical-name"

// InjectedWorkloads lists what has pods with a proxy, sorted, and the pods that
// nothing would make anew.
func InjectedWorkloads(ctx context.Context, kube kubernetes.Interface) (workloads []Workload, loose []string, err error) {
	pods, err := kube.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: injectedLabel})
	if err != nil {
		return nil, nil, fmt.Errorf("list pods: %w", err)
	}
	sets, err := kube.AppsV1().ReplicaSets(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: injectedLabel})
	if err != nil {
		return nil, nil, fmt.Errorf("list replica sets: %w", err)
	}
	owners := map[types.UID]*metav1.OwnerReference{}
	for i := range sets.Items {
		owners[sets.Items[i].UID] = metav1.GetControllerOf(&sets.Items[i])
	}
	seen := map[Workload]bool{}
	for _, pod := range pods.Items {
		workload, ok, err := workloadOf(ctx, kube, pod, owners)
		switch {
		case pod.DeletionTimestamp != nil, apierrors.IsNotFound(err):
			// It is going, or what made it is gone: nothing of it is left to restart.
		case err != nil:
			return nil, nil, err
		case !ok:
			loose = append(loose, pod.Namespace+"/"+pod.Name)
		case !seen[workload]:
			seen[workload] = true
			workloads = append(workloads, workload)
		}
	}
	sort.Slice(workloads, func(i, j int) bool { return workloads[i].String() < workloads[j].String() })
	return workloads, loose, nil
}

// workloadOf is what rolls out a pod; ok is false for pods without an owner, or
// one such as a Job that is not rolled out.
func workloadOf(ctx context.Context, kube kubernetes.Interface, pod corev1.Pod, owners map[types.UID]*metav1.OwnerReference) (workload Workload, ok bool, err error) {
	owner := metav1.GetControllerOf(&pod)
	if owner == nil {
		return Workload{}, false, nil
	}
	if owner.Kind == "ReplicaSet" {
		up, known := owners[owner.UID]
		if !known {
			set, err := kube.AppsV1().ReplicaSets(pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
			if err != nil {
				return Workload{}, false, fmt.Errorf("read replica set %s/%s: %w", pod.Namespace, owner.Name, err)
			}
			up = metav1.GetControllerOf(set)
			owners[owner.UID] = up
		}
		if up == nil {
			return Workload{}, false, nil
		}
		owner = up
	}
	switch owner.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return Workload{Kind: owner.Kind, Namespace: pod.Namespace, Name: owner.Name}, true, nil
	}
	return Workload{}, false, nil
}

// Restart rolls workloads out anew and waits until they are.
func (a *Applier) Restart(ctx context.Context, workloads []Workload) error {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{restartAnnotation: now}},
	}}})
	if err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	for _, workload := range workloads {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(workload.Kind))
		object.SetNamespace(workload.Namespace)
		object.SetName(workload.Name)
		client, err := a.resource(object)
		if err != nil {
			return err
		}
		if _, err := client.Patch(ctx, workload.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager}); err != nil {
			return problem.New(problem.Cluster, "RestartFailed", "it cannot be restarted").
				On(a.cluster).About(workload.String()).Because(err)
		}
		objects = append(objects, object)
	}
	return a.Wait(ctx, objects)
}
