package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// pollInterval is how often a waited-for object is read.
const pollInterval = 500 * time.Millisecond

// Wait returns when every object is current by kstatus. When ctx ends first, the
// problem names the object that is not, its message and its last warning.
func (a *Applier) Wait(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, one := range objects {
		last := "it was never read"
		err := Poll(ctx, func(ctx context.Context) (bool, error) {
			current, message, err := a.current(ctx, one)
			if message != "" {
				last = message
			}
			return current, err
		})
		if err != nil {
			return a.notReady(ctx, one, last, err)
		}
	}
	return nil
}

// Poll calls check until it is true, fails, or ctx ends.
func Poll(ctx context.Context, check func(context.Context) (bool, error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		ok, err := check(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (a *Applier) current(ctx context.Context, wanted *unstructured.Unstructured) (bool, string, error) {
	client, err := a.resource(wanted)
	if err != nil {
		return false, "", err
	}
	live, err := client.Get(ctx, wanted.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, "it does not exist", nil
	}
	if ctx.Err() != nil {
		return false, "", nil // what was read last says more
	}
	if err != nil {
		return false, err.Error(), nil // a hiccup of the API server; ctx bounds it
	}
	result, err := status.Compute(live)
	if err != nil {
		return false, "", err
	}
	if result.Status == status.FailedStatus {
		return false, result.Message, fmt.Errorf("%s", result.Message)
	}
	return result.Status == status.CurrentStatus, result.Message, nil
}

func (a *Applier) notReady(ctx context.Context, wanted *unstructured.Unstructured, last string, cause error) error {
	failure := problem.New(problem.Cluster, "NotReady", "it did not become ready: %s", last).
		On(a.cluster).About(describe(wanted))
	if ctx.Err() == nil {
		failure.Cause = cause
	}
	if warning := a.lastWarning(context.WithoutCancel(ctx), wanted); warning != "" {
		failure.Message += "; last warning: " + warning
	}
	return failure.WithFix("kubectl -n %s describe %s %s", wanted.GetNamespace(), wanted.GetKind(), wanted.GetName())
}

// lastWarning is the newest Warning event of the object's namespace that
// concerns it or what it made.
func (a *Applier) lastWarning(ctx context.Context, wanted *unstructured.Unstructured) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	events, err := a.dynamic.Resource(corev1.SchemeGroupVersion.WithResource("events")).Namespace(wanted.GetNamespace()).
		List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return ""
	}
	newest, text := "", ""
	for _, event := range events.Items {
		name, _, _ := unstructured.NestedString(event.Object, "involvedObject", "name")
		when, _, _ := unstructured.NestedString(event.Object, "lastTimestamp")
		if len(name) >= len(wanted.GetName()) && name[:len(wanted.GetName())] == wanted.GetName() && when >= newest {
			message, _, _ := unstructured.NestedString(event.Object, "message")
			newest, text = when, message
		}
	}
	return text
}
