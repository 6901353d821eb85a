package verify

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eastwest-mesh/eastwest/installer/verify/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

// member is a cluster during a run.
type member struct {
	Cluster
	version string
	plan    harness.Plan
	site    harness.Site
	// made says that there may be something to remove.
	made bool
	// err is why it takes no part any more; contacted says that its API server
	// answered at first.
	err       error
	contacted bool
	facts     facts.Cluster
	// sleep calls and hello answers; a nil pod does not.
	sleep, hello harness.Workload
}

func (m *member) calls() bool   { return m.err == nil && m.sleep.Ready }
func (m *member) answers() bool { return m.err == nil && m.hello.Ready }

func (m *member) istioNamespace() string {
	if m.IstioNamespace == "" {
		return "istio-system"
	}
	return m.IstioNamespace
}

func (m *member) harness() harness.Cluster {
	return harness.Cluster{Name: m.Name, Revision: m.Cluster.Revision, Kube: m.Kube}
}

func (m *member) reader() facts.Reader {
	return facts.Reader{
		Kube: m.Kube, Dynamic: m.Dynamic, Exec: m.exec,
		IstioNamespace: m.istioNamespace(), Namespace: m.plan.Namespace,
	}
}

// exec runs a command in a pod of the member. A probe never outlives its bound,
// however dead the cluster is.
func (m *member) exec(ctx context.Context, target podexec.Target, command ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, execBound)
	defer cancel()
	if m.Exec != nil {
		return m.Exec(ctx, target, command...)
	}
	return podexec.Run(ctx, m.Config, m.Kube, target, command...)
}

// execBound is above all that a script of ours may take.
const execBound = 45 * time.Second

// inSleep runs a command beside curl.
func (m *member) inSleep(ctx context.Context, command ...string) ([]byte, error) {
	return m.exec(ctx, podexec.Target{Namespace: m.plan.Namespace, Pod: m.sleep.Pod.Name, Container: harness.SleepName}, command...)
}

// admin asks the Envoy of a pod, as istioctl does.
func (m *member) admin(ctx context.Context, namespace, pod, path string) ([]byte, error) {
	target := podexec.Target{Namespace: namespace, Pod: pod, Container: harness.Proxy}
	return m.exec(ctx, target, "pilot-agent", "request", "GET", path)
}

// sidecar asks the Envoy beside one of our own pods.
func (m *member) sidecar(ctx context.Context, pod *corev1.Pod, path string) ([]byte, error) {
	return m.admin(ctx, pod.Namespace, pod.Name, path)
}

// services are those of the run, for Envoy's paths.
func (m *member) services() envoy.Namespace {
	return envoy.Namespace{Name: m.plan.Namespace, Port: harness.Port}
}

// each runs fn for every member that takes part, all at once, and waits.
func (r *run) each(fn func(*member)) {
	var all sync.WaitGroup
	for _, m := range r.members {
		if m.err == nil {
			all.Go(func() { fn(m) })
		}
	}
	all.Wait()
}

// plan is what the run puts into a member's cluster.
func (r *run) plan(m *member, index int, names []string) harness.Plan {
	p := harness.Plan{
		Run: r.Run, Namespace: r.Namespace, Member: m.Name, Members: names, Version: m.version,
		HelloImage: r.Images.Helloworld, SleepImage: r.Images.Sleep, Keep: r.Keep,
	}
	if index == 1 {
		p.HelloImage = r.Images.HelloworldV2
	}
	return p
}
