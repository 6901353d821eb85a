package harness_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kubefake "k8s.io/client-go/kubernetes/fake"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
)

func plan() harness.Plan {
	return harness.Plan{
		Run: "x", Namespace: "ns", Member: "east", Members: []string{"east", "west"}, Version: "v1",
		HelloImage: "hello:1", SleepImage: "sleep:1", DirectPorts: []int{15443, 6443, 15443},
	}
}

func TestEveryRequestIsOneConnection(t *testing.T) {
	t.Parallel()
	for _, s := range plan().Services() {
		p := s.Spec.Ports[0]
		if p.Name != "tcp" || p.AppProtocol == nil || *p.AppProtocol != "tcp" || p.Port != 5000 {
			t.Errorf("service %s: port %+v is not plain TCP", s.Name, p)
		}
		if s.Labels[harness.RunLabel] != "x" || s.Spec.Selector[harness.RunLabel] != "x" {
			t.Errorf("service %s is not tied to its run", s.Name)
		}
	}
}

// TestLinksHavePodsInOneMember matches every selector with the pods of both.
func TestLinksHavePodsInOneMember(t *testing.T) {
	t.Parallel()
	got := map[string][]string{}
	for _, member := range []string{"east", "west"} {
		p := plan()
		p.Member = member
		for _, s := range p.Services() {
			for _, d := range p.Deployments() {
				selected := true
				for key, value := range s.Spec.Selector {
					selected = selected && d.Spec.Template.Labels[key] == value
				}
				if selected {
					got[s.Name] = append(got[s.Name], member)
				}
			}
		}
	}
	want := map[string][]string{"helloworld": {"east", "west"}, "link-east": {"east"}, "link-west": {"west"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPodsAreSmallAndConfined(t *testing.T) {
	t.Parallel()
	for _, d := range plan().Deployments() {
		spec := d.Spec.Template.Spec
		c := spec.Containers[0]
		if *spec.TerminationGracePeriodSeconds != 1 || *spec.AutomountServiceAccountToken || c.ImagePullPolicy != corev1.PullIfNotPresent {
			t.Errorf("%s: %+v", d.Name, spec)
		}
		if c.Resources.Requests.Cpu().String() != "10m" {
			t.Errorf("%s asks for %s CPU", d.Name, c.Resources.Requests.Cpu())
		}
		s := c.SecurityContext
		if !*s.RunAsNonRoot || *s.AllowPrivilegeEscalation || !cmp.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s: security context %+v is not what pod security `restricted` asks for", d.Name, s)
		}
	}
	sleep := plan().Deployments()[0]
	if got := sleep.Spec.Template.Annotations["traffic.sidecar.istio.io/excludeOutboundPorts"]; got != "6443,15443" {
		t.Errorf("ports past the sidecar: %q", got)
	}
}

func TestLinkName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for _, member := range []string{"east", "1st", long, long[:62] + "b"} {
		if bad := validation.IsDNS1035Label(harness.LinkName(member)); len(bad) > 0 {
			t.Errorf("LinkName(%q) = %q: %v", member, harness.LinkName(member), bad)
		}
	}
	if harness.LinkName(long) == harness.LinkName(long[:62]+"b") {
		t.Error("two long names give one Service")
	}
}

// hook is an injector for values of one namespace label.
func hook(key string, values ...string) admissionv1.MutatingWebhookConfiguration {
	return admissionv1.MutatingWebhookConfiguration{Webhooks: []admissionv1.MutatingWebhook{
		{Name: "someone.else"},
		{
			Name: "namespace.sidecar-injector.istio.io",
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: key, Operator: metav1.LabelSelectorOpIn, Values: values},
			}},
			ObjectSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "sidecar.istio.io/inject", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"false"}},
			}},
		},
	}}
}

func TestInjectionLabels(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		hooks    []admissionv1.MutatingWebhookConfiguration
		revision string
		want     map[string]string
		ok       bool
	}{
		"a revision":       {[]admissionv1.MutatingWebhookConfiguration{hook("istio.io/rev", "asm-173-3")}, "asm-173-3", map[string]string{"istio.io/rev": "asm-173-3"}, true},
		"a tag":            {[]admissionv1.MutatingWebhookConfiguration{hook("istio.io/rev", "asm-173-3"), hook("istio.io/rev", "prod")}, "prod", map[string]string{"istio.io/rev": "prod"}, true},
		"the default":      {[]admissionv1.MutatingWebhookConfiguration{hook("istio.io/rev", "default")}, "", map[string]string{"istio.io/rev": "default"}, true},
		"the old default":  {[]admissionv1.MutatingWebhookConfiguration{hook("istio-injection", "enabled")}, "default", map[string]string{"istio-injection": "enabled"}, true},
		"another revision": {[]admissionv1.MutatingWebhookConfiguration{hook("istio.io/rev", "other")}, "asm-173-3", map[string]string{"istio.io/rev": "asm-173-3"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := harness.InjectionLabels(c.hooks, c.revision)
			if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
				t.Errorf("ok is %v\n%s", ok, diff)
			}
		})
	}
	both := []admissionv1.MutatingWebhookConfiguration{hook("istio.io/rev", "b"), hook("istio.io/rev", "a")}
	if diff := cmp.Diff([]string{"a", "b"}, harness.Revisions(both)); diff != "" {
		t.Error(diff)
	}
}

func TestStateOf(t *testing.T) {
	t.Parallel()
	always := corev1.ContainerRestartPolicyAlways
	app, proxy := corev1.Container{Name: "sleep"}, corev1.Container{Name: "istio-proxy"}
	native := proxy
	native.RestartPolicy = &always
	ready := []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	waiting := func(reason string) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{Name: "sleep", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "why"}}}}
	}
	cases := map[string]struct {
		pod  corev1.Pod
		want harness.State
	}{
		"ready, sidecar beside it": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{app, proxy}}, Status: corev1.PodStatus{Conditions: ready}}, harness.State{Ready: true},
		},
		"ready, native sidecar": {
			corev1.Pod{
				Spec:   corev1.PodSpec{InitContainers: []corev1.Container{native}, Containers: []corev1.Container{app}},
				Status: corev1.PodStatus{Conditions: ready},
			}, harness.State{Ready: true},
		},
		"no sidecar": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{app}}, Status: corev1.PodStatus{Conditions: ready}},
			harness.State{Bare: true, Stuck: true, Reason: "it has no sidecar"},
		},
		"no image": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{app, proxy}}, Status: corev1.PodStatus{ContainerStatuses: waiting("ErrImageNeverPull")}},
			harness.State{Stuck: true, Reason: "container sleep: ErrImageNeverPull: why"},
		},
		"starting": {
			corev1.Pod{
				Spec:   corev1.PodSpec{InitContainers: []corev1.Container{native}, Containers: []corev1.Container{app}},
				Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: waiting("PodInitializing")},
			}, harness.State{Reason: "phase Pending, ready containers 0/2"},
		},
		"no room": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{app, proxy}}, Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"},
			}}}, harness.State{Reason: "not scheduled: 0/1 nodes are available"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, harness.StateOf(c.pod, false)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAwaitGivesUpOnRefusals runs on a false clock: nothing makes pods here.
func TestAwaitGivesUpOnRefusals(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		message string
		within  time.Duration
	}{
		"a quota is final":         {`pods "sleep" is forbidden: exceeded quota`, time.Second},
		"a webhook may come back":  {`failed calling webhook "x": timeout`, 25 * time.Second},
		"no word from the cluster": {"", 2 * time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kube := kubefake.NewClientset()
				for _, d := range plan().Deployments() {
					if c.message != "" {
						d.Status.Conditions = []appsv1.DeploymentCondition{
							{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: c.message},
						}
					}
					_ = kube.Tracker().Add(d)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				started := time.Now()
				all, err := harness.Cluster{Kube: kube}.Await(ctx, plan())
				if took := time.Since(started); err != nil || took > c.within || len(all) != 2 || all[0].Ready {
					t.Errorf("after %s: %+v, %v", took, all, err)
				}
				if c.message != "" && all[0].Reason != c.message {
					t.Errorf("reason %q, want %q", all[0].Reason, c.message)
				}
			})
		})
	}
}

// TestWithoutAMeshWhatIsCalledIsExported: the own link Service and the shared one.
func TestWithoutAMeshWhatIsCalledIsExported(t *testing.T) {
	t.Parallel()
	if got := plan().Exports(); got != nil {
		t.Errorf("with a mesh: %v", got)
	}
	p := plan()
	p.Exported = true
	var shared []string
	for _, e := range p.Exports() {
		shared = append(shared, e.GetName())
	}
	if diff := cmp.Diff([]string{"helloworld", "link-east"}, shared); diff != "" {
		t.Errorf("with a mesh whose istiods want exports: %s", diff)
	}
	p.Plain = true
	var services, exports []string
	for _, s := range p.Services() {
		services = append(services, s.Name)
	}
	for _, e := range p.Exports() {
		exports = append(exports, e.GetName())
		if e.GetNamespace() != "ns" || e.GetLabels()[harness.RunLabel] != "x" || e.GetAPIVersion() != "multicluster.x-k8s.io/v1beta1" {
			t.Errorf("export %v", e)
		}
	}
	if diff := cmp.Diff([]string{"helloworld", "link-east"}, services); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(services, exports); diff != "" {
		t.Error(diff)
	}
	for _, d := range p.Deployments() {
		if len(d.Spec.Template.Annotations) > 0 {
			t.Errorf("%s is annotated for an injector: %v", d.Name, d.Spec.Template.Annotations)
		}
	}
	ready := corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
	if got := harness.StateOf(ready, true); !got.Ready {
		t.Errorf("a pod without a sidecar: %+v", got)
	}
}
