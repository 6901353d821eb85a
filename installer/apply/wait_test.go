package apply

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// deployment makes one in the test's namespace. Nobody rolls it out: its status
// is what the test says.
func (r *rig) deployment(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": name}
	return must(r.kube.AppsV1().Deployments(r.namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "none"}}},
			},
		},
	}, metav1.CreateOptions{}))(t)
}

// rolledOut and timedOut are how a rollout ends.
var (
	rolledOut = appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"}
	timedOut  = appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "took too long"}
)

// rollOut says of a Deployment what its controller would in the end.
func (r *rig) rollOut(t *testing.T, one *appsv1.Deployment, end appsv1.DeploymentCondition) {
	t.Helper()
	one.Status = appsv1.DeploymentStatus{
		ObservedGeneration: one.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
		Conditions: []appsv1.DeploymentCondition{end, {Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}},
	}
	must(r.kube.AppsV1().Deployments(r.namespace).UpdateStatus(t.Context(), one, metav1.UpdateOptions{}))(t)
}

func (r *rig) target(kind, name string) *unstructured.Unstructured {
	if kind == "Deployment" {
		return named("apps/v1", kind, r.namespace, name)
	}
	return named("v1", kind, r.namespace, name)
}

func TestWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.run(t, r.set(r.configMap("a", nil)))
	ready := r.deployment(t, "ready")
	r.rollOut(t, ready, rolledOut)
	if err := r.Wait(t.Context(), []*unstructured.Unstructured{r.target("ConfigMap", "a"), r.target("Deployment", "ready")}); err != nil {
		t.Error(err)
	}
	if err := r.Wait(t.Context(), nil); err != nil {
		t.Error(err)
	}

	failed := r.deployment(t, "failed")
	r.rollOut(t, failed, timedOut)
	err := r.Wait(t.Context(), []*unstructured.Unstructured{r.target("Deployment", "failed")})
	wantProblem(t, err, problem.Cluster, "NotReady", "did not become ready: ")
}

// TestWaitTellsWhatIsMissing names the object, its state and its last warning
// when the time is over.
func TestWaitTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.deployment(t, "stuck")
	for i, message := range []string{"the first", "0/1 nodes are available", "of another"} {
		at := metav1.NewTime(time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC))
		about := "stuck-5f8d-x"
		if message == "of another" {
			about = "other"
		}
		must(r.kube.CoreV1().Events(r.namespace).Create(t.Context(), &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{GenerateName: "e-", Namespace: r.namespace},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: r.namespace, Name: about},
			Type:           corev1.EventTypeWarning, Reason: "FailedScheduling", Message: message, LastTimestamp: at,
		}, metav1.CreateOptions{}))(t)
	}
	for name, tc := range map[string]struct {
		target *unstructured.Unstructured
		says   []string
	}{
		"it makes no progress": {r.target("Deployment", "stuck"), []string{"did not become ready: Replicas: 0/1", "; last warning: 0/1 nodes are available (Deployment " + r.namespace + "/stuck)"}},
		"it is not there":      {r.target("ConfigMap", "none"), []string{"did not become ready: it does not exist (ConfigMap " + r.namespace + "/none)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := r.Wait(ctx, []*unstructured.Unstructured{tc.target})
			for _, words := range tc.says {
				wantProblem(t, err, problem.Cluster, "NotReady", words)
			}
			if fix := problem.All(err)[0].Fix; !strings.HasPrefix(fix, "kubectl -n "+r.namespace+" describe ") {
				t.Errorf("fix %q", fix)
			}
		})
	}
}

func TestPoll(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx   context.Context
		check func(try int) (bool, error)
		want  error
		tries int
	}{
		"at once":             {t.Context(), func(int) (bool, error) { return true, nil }, nil, 1},
		"the second time":     {t.Context(), func(try int) (bool, error) { return try == 2, nil }, nil, 2},
		"an error ends it":    {t.Context(), func(int) (bool, error) { return false, broken }, broken, 1},
		"the context ends it": {ended, func(int) (bool, error) { return false, nil }, context.Canceled, 1},
		"but not a success":   {ended, func(int) (bool, error) { return true, nil }, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			err := Poll(tc.ctx, func(context.Context) (bool, error) {
				tries++
				return tc.check(tries)
			})
			if !errors.Is(err, tc.want) || tries != tc.tries {
				t.Errorf("got %v after %d tries, want %v after %d", err, tries, tc.want, tc.tries)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	web := r.deployment(t, "web")
	r.rollOut(t, web, rolledOut)
	done := make(chan error, 1)
	go func() {
		done <- r.Restart(t.Context(), []Workload{{Kind: "Deployment", Namespace: r.namespace, Name: "web"}})
	}()
	var live *appsv1.Deployment
	err := Poll(t.Context(), func(ctx context.Context) (restarted bool, err error) {
		live, err = r.kube.AppsV1().Deployments(r.namespace).Get(ctx, "web", metav1.GetOptions{})
		return err == nil && live.Spec.Template.Annotations[restartAnnotation] != "", err
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("it does not wait for the rollout: %v", err)
	default:
	}
	r.rollOut(t, live, rolledOut)
	if err := <-done; err != nil {
		t.Error(err)
	}

	err = r.Restart(t.Context(), []Workload{{Kind: "Deployment", Namespace: r.namespace, Name: "none"}})
	wantProblem(t, err, problem.Cluster, "RestartFailed", "(Deployment "+r.namespace+"/none)")
}
