// Package kube is what the lab asks of a cluster's API: whether it is up, and
// whether what was applied became ready. Manifests are applied with kubectl,
// as a user would.
package kube

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// poll is the interval of every wait.
const poll = 200 * time.Millisecond

// Client talks to one cluster.
type Client struct {
	set        kubernetes.Interface
	kubeconfig string
	kubectl    string
}

// New makes a client; it does not contact the cluster.
func New(kubeconfig, kubectl string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", kubeconfig, err)
	}
	config.Timeout, config.QPS, config.Burst = 10*time.Second, 50, 100
	config.UserAgent = "eastwest-lab"
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client of %s: %w", kubeconfig, err)
	}
	return &Client{set: set, kubeconfig: kubeconfig, kubectl: kubectl}, nil
}

// Apply applies manifests by server-side apply.
func (c *Client) Apply(ctx context.Context, manifests string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, c.kubectl, "--kubeconfig", c.kubeconfig, "apply",
		"--server-side", "--force-conflicts", "--field-manager=eastwest-lab", "-f", "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(manifests), &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}

// APIReady says whether the API server answers that it is ready.
func (c *Client) APIReady(ctx context.Context) error {
	_, err := c.set.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	return nil
}

// NodeReady says whether the node is ready.
func (c *Client) NodeReady(ctx context.Context, name string) error {
	node, err := c.set.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	for _, cond := range node.Status.Conditions {
		if cond.Type == corev1.NodeReady && cond.Status == corev1.ConditionTrue {
			return nil
		}
		if cond.Type == corev1.NodeReady {
			return fmt.Errorf("node %s is not ready: %s: %s", name, cond.Reason, cond.Message)
		}
	}
	return fmt.Errorf("node %s has not reported", name)
}

// DeploymentReady says whether all replicas are up to date and available.
func (c *Client) DeploymentReady(ctx context.Context, namespace, name string) error {
	d, err := c.set.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("deployment %s/%s: %w", namespace, name, err)
	}
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	if s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.AvailableReplicas == want && s.Replicas == want {
		return nil
	}
	return fmt.Errorf("deployment %s/%s: %d of %d replicas available%s", namespace, name, s.AvailableReplicas, want, c.podTroubles(ctx, namespace, d.Spec.Selector))
}

// HasSecret says whether the Secret exists.
func (c *Client) HasSecret(ctx context.Context, namespace, name string) (bool, error) {
	_, err := c.set.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("secret %s/%s: %w", namespace, name, err)
	}
	return true, nil
}

// podTroubles says why containers of these pods do not run, for error texts.
func (c *Client) podTroubles(ctx context.Context, namespace string, selector *metav1.LabelSelector) string {
	pods, err := c.set.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector)})
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, p := range pods.Items {
		fmt.Fprintf(&b, "; pod %s %s", p.Name, p.Status.Phase)
		for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			if w := s.State.Waiting; w != nil {
				fmt.Fprintf(&b, " (%s: %s %s)", s.Name, w.Reason, w.Message)
			}
		}
	}
	return b.String()
}

// Await asks until the answer is nil, and reports the last one at the deadline.
func Await(ctx context.Context, patience time.Duration, what string, ask func(ctx context.Context) error) error {
	deadline, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := ask(deadline)
		if err == nil {
			return nil
		}
		select {
		case <-deadline.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("wait for %s: %w", what, ctx.Err())
			}
			return fmt.Errorf("wait for %s: not after %s: %w", what, patience, err)
		case <-tick.C:
		}
	}
}
