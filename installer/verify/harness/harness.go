package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Cluster is the place where a plan is carried out.
type Cluster struct {
	Name string
	// Revision is the istiod revision or tag that injects.
	Revision string
	Kube     kubernetes.Interface
	// Dynamic is for ServiceExports.
	Dynamic dynamic.Interface
}

// Site is what a cluster looks like before anything is made in it.
type Site struct {
	// Exists says that the namespace was there: it is then never relabelled nor
	// deleted.
	Exists bool
	// Labels are those a new namespace gets for injection.
	Labels map[string]string
}

// Inspect looks at the namespace and refuses what a run could not undo or could
// not work in. It writes nothing.
func (c Cluster) Inspect(ctx context.Context, p Plan) (Site, error) {
	if p.Plain {
		return c.inspectPlain(ctx, p)
	}
	hooks, err := c.Kube.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	readable := err == nil
	if err != nil && !apierrors.IsForbidden(err) {
		return Site{}, fmt.Errorf("list injectors: %w", err)
	}
	if !readable {
		hooks = &admissionv1.MutatingWebhookConfigurationList{}
	}
	ns, err := c.Kube.CoreV1().Namespaces().Get(ctx, p.Namespace, metav1.GetOptions{})
	if err == nil {
		if readable && !Injected(hooks.Items, ns.Labels) {
			return Site{}, c.notInjected(p.Namespace)
		}
		return Site{Exists: true}, c.collision(ctx, p)
	}
	if !apierrors.IsNotFound(err) {
		return Site{}, fmt.Errorf("get namespace %s: %w", p.Namespace, err)
	}
	labels, ok := InjectionLabels(hooks.Items, c.Revision)
	if readable && !ok {
		return Site{}, problem.New(problem.Unverified, "NoInjector", "no sidecar injector answers to revision %q", c.Revision).On(c.Name).
			WithFix("use one of the revisions that are there: %v", Revisions(hooks.Items))
	}
	return Site{Labels: labels}, nil
}

// inspectPlain wants nothing of the namespace but that it holds none of ours.
func (c Cluster) inspectPlain(ctx context.Context, p Plan) (Site, error) {
	_, err := c.Kube.CoreV1().Namespaces().Get(ctx, p.Namespace, metav1.GetOptions{})
	switch {
	case err == nil:
		return Site{Exists: true}, c.collision(ctx, p)
	case !apierrors.IsNotFound(err):
		return Site{}, fmt.Errorf("get namespace %s: %w", p.Namespace, err)
	}
	return Site{}, nil
}

func (c Cluster) notInjected(namespace string) error {
	revision := c.Revision
	if revision == "" {
		revision = "default"
	}
	return problem.New(problem.Refused, "NamespaceNotInjected", "namespace %s exists and no injector answers to its labels", namespace).
		On(c.Name).About("Namespace "+namespace).
		WithFix("kubectl label namespace %s istio-injection- %s=%s --overwrite, or leave --namespace out", namespace, revisionLabel, revision)
}

// collision refuses a namespace that holds an object of a name we need.
func (c Cluster) collision(ctx context.Context, p Plan) error {
	taken := func(kind, name string) error {
		return problem.New(problem.Refused, "NamespaceInUse", "%s %s exists in namespace %s and is not of this run", kind, name, p.Namespace).
			On(c.Name).About(kind+" "+p.Namespace+"/"+name).
			WithFix("delete it (kubectl -n %s delete %s %s), or leave --namespace out", p.Namespace, kind, name)
	}
	for _, s := range p.Services() {
		if _, err := c.Kube.CoreV1().Services(p.Namespace).Get(ctx, s.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return firstOf(err, taken("service", s.Name))
		}
	}
	for _, d := range p.Deployments() {
		if _, err := c.Kube.AppsV1().Deployments(p.Namespace).Get(ctx, d.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return firstOf(err, taken("deployment", d.Name))
		}
	}
	return nil
}

func firstOf(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// Create makes the namespace, if there is none, and everything in it.
func (c Cluster) Create(ctx context.Context, p Plan, site Site) error {
	if !site.Exists {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.Namespace, Labels: p.labels()}}
		for key, value := range site.Labels {
			ns.Labels[key] = value
		}
		if _, err := c.Kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create namespace %s: %w", p.Namespace, err)
		}
	}
	account := p.Account()
	_, err := c.Kube.CoreV1().ServiceAccounts(p.Namespace).Create(ctx, account, metav1.CreateOptions{})
	// The guide's own sleep brings an account of this name; it serves as well.
	if err != nil && !(site.Exists && apierrors.IsAlreadyExists(err)) {
		return fmt.Errorf("create service account %s: %w", account.Name, err)
	}
	for _, s := range p.Services() {
		if _, err := c.Kube.CoreV1().Services(p.Namespace).Create(ctx, s, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create service %s: %w", s.Name, err)
		}
	}
	for _, d := range p.Deployments() {
		if _, err := c.Kube.AppsV1().Deployments(p.Namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create deployment %s: %w", d.Name, err)
		}
	}
	return c.export(ctx, p)
}

// Workload is one Deployment of a plan with its pod, once there is one.
type Workload struct {
	Name string
	Pod  *corev1.Pod
	State
}

// Look reads the state of both workloads.
func (c Cluster) Look(ctx context.Context, p Plan) ([]Workload, error) {
	pods, err := c.Kube.CoreV1().Pods(p.Namespace).List(ctx, metav1.ListOptions{LabelSelector: RunLabel + "=" + p.Run})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var all []Workload
	for _, d := range p.Deployments() {
		w := Workload{Name: d.Name, State: State{Reason: "no pod yet"}}
		for _, pod := range pods.Items {
			if pod.Labels["app"] == d.Spec.Template.Labels["app"] && pod.DeletionTimestamp == nil {
				w.Pod, w.State = &pod, StateOf(pod, p.Plain)
			}
		}
		if w.Pod == nil {
			if reason := c.refusal(ctx, p, d); reason != "" {
				// A webhook that cannot be called may come back; see Await.
				w.State = State{Refused: true, Stuck: !strings.Contains(reason, "failed calling webhook"), Reason: reason}
			}
		}
		all = append(all, w)
	}
	return all, nil
}

// refusal is why a Deployment cannot make a pod: a quota or a webhook.
func (c Cluster) refusal(ctx context.Context, p Plan, d *appsv1.Deployment) string {
	live, err := c.Kube.AppsV1().Deployments(p.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	for _, condition := range live.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return condition.Message
		}
	}
	return ""
}

const (
	// pollEvery is how often a state is looked at while waiting for it.
	pollEvery = 500 * time.Millisecond
	// patience is how long pods may be refused before that counts as final.
	patience = 20 * time.Second
)

// Await looks at the workloads until each is ready or stuck, or ctx ends. What
// it saw last is always returned.
func (c Cluster) Await(ctx context.Context, p Plan) ([]Workload, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last []Workload
	accepted := time.Now()
	for {
		all, err := c.Look(ctx, p)
		if err == nil {
			last = all
			if !slices.ContainsFunc(all, func(w Workload) bool { return w.Refused }) {
				accepted = time.Now()
			}
			if settled(all) || time.Since(accepted) > patience {
				return all, nil
			}
		}
		select {
		case <-ctx.Done():
			if last != nil {
				return last, nil
			}
			return nil, err
		case <-tick.C:
		}
	}
}

func settled(all []Workload) bool {
	for _, w := range all {
		if !w.Ready && !w.Stuck {
			return false
		}
	}
	return true
}
