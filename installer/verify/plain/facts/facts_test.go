package facts_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

func dynamicClient(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		harness.ServiceExports: "ServiceExportList",
		{Group: "eastwest.dev", Version: "v1alpha1", Resource: "memberclusters"}: "MemberClusterList",
	}, objects...)
}

func export(name string, conditions ...any) *unstructured.Unstructured {
	e := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": conditions}}}
	e.SetAPIVersion("multicluster.x-k8s.io/v1beta1")
	e.SetKind("ServiceExport")
	e.SetNamespace("sample")
	e.SetName(name)
	return e
}

func own(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: facts.Namespace, Name: name}
}

func credential(t *testing.T) []byte {
	t.Helper()
	content, err := kubeconfig.Remote{
		ClusterID: "west", Server: "https://api.west:6443", CA: testca.Root(t).CertPEM(), Token: "secret",
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func cluster(t *testing.T) []runtime.Object {
	t.Helper()
	two, ready, not := int32(2), true, false
	derived := map[string]string{"eastwest.dev/derived": "true"}
	return []runtime.Object{
		&appsv1.Deployment{ObjectMeta: own(facts.AgentName), Spec: appsv1.DeploymentSpec{Replicas: &two}, Status: appsv1.DeploymentStatus{ReadyReplicas: 1}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: facts.Namespace, Name: "members", Labels: map[string]string{"eastwest.dev/member": "true"}},
			Data: map[string][]byte{
				"west.member.yaml":  []byte("apiVersion: eastwest.dev/v1alpha1\nkind: MemberRecord\nname: west\nnetwork: west\nadvertised: [\"gw.west:443\"]\n"),
				"west.kubeconfig":   credential(t),
				"north.member.yaml": []byte("name: north\nnetwrk: north\n"),
				"south.member.yaml": []byte("name: south\nnetwork: south\n"),
				"unrelated":         []byte("x"),
			},
		},
		&corev1.Service{
			ObjectMeta: own(facts.GatewayName),
			Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "eastwest-gateway"}, ExternalIPs: []string{"192.0.2.1"},
				Ports: []corev1.ServicePort{{Port: 15021}, {Port: 15443}}, LoadBalancerSourceRanges: []string{"203.0.113.0/24"},
			},
			Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "192.0.2.2"}, {Hostname: "lb.example"}}}},
		},
		&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: facts.Namespace, Name: "gw-0", Labels: map[string]string{"app": "eastwest-gateway"}},
			Status:     corev1.PodStatus{PodIP: "10.11.0.9", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
		},
		&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: facts.Namespace, Name: "gw-1", Labels: map[string]string{"app": "eastwest-gateway"}},
		},
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: "derived-x", Labels: derived, Annotations: map[string]string{"eastwest.dev/service": "hello"}},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 5000, TargetPort: intstr.FromInt32(20001)}}},
		},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: "derived-x-ipv4-0", Labels: map[string]string{
				"eastwest.dev/derived": "true", discoveryv1.LabelServiceName: "derived-x",
			}},
			Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{"10.11.0.9"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}},
				{Addresses: []string{"10.11.0.8"}, Conditions: discoveryv1.EndpointConditions{Ready: &not}},
			},
		},
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	member := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{
		"state": "degraded", "code": "WARNING", "description": "its API server does not answer",
		"link":       map[string]any{"hop": "answer", "rttMicroseconds": int64(250)},
		"conditions": []any{map[string]any{"type": "Reachable", "status": "True", "reason": "Answers", "message": "it answers"}},
	}}}
	member.SetAPIVersion("eastwest.dev/v1alpha1")
	member.SetKind("MemberCluster")
	member.SetName("west")
	r := facts.Reader{
		Kube: kubefake.NewClientset(cluster(t)...), Namespace: "sample", Exports: harness.ServiceExports,
		Dynamic: dynamicClient(member, export("hello"), export("bad", map[string]any{"type": "Valid", "status": "False", "reason": "NoService", "message": "gone"})),
	}
	got := r.Read(t.Context())
	if len(got.Unread) > 0 || !got.Knows(facts.PartExports) {
		t.Errorf("unread: %v", got.Unread)
	}
	secret := facts.Object{Namespace: facts.Namespace, Name: "members"}
	want := facts.Cluster{
		Agent: facts.Deployment{Found: true, Wanted: 2, Ready: 1},
		Records: []facts.Record{
			{Secret: secret, Name: "north"},
			{Secret: secret, Name: "south", Invalid: "it has no key south.kubeconfig"},
			{Secret: secret, Name: "west", Server: "https://api.west:6443", Token: "secret", Advertised: []string{"gw.west:443"}},
		},
		Members: map[string]facts.Member{"west": {
			State: "degraded", Code: "WARNING", Description: "its API server does not answer",
			Reached: facts.Reached{Status: "True", Reason: "Answers", Message: "it answers", Hop: "answer", RTT: 250 * time.Microsecond},
		}},
		Gateway: &facts.Gateway{
			Object: facts.Object{Namespace: facts.Namespace, Name: facts.GatewayName}, Type: "LoadBalancer",
			Addresses: []string{"192.0.2.1", "192.0.2.2", "lb.example"}, Port: 15443, SourceRanges: []string{"203.0.113.0/24"},
			Pods: []facts.Pod{{Name: "gw-0", IP: "10.11.0.9", Ready: true}, {Name: "gw-1"}},
		},
		Exports: map[string]facts.Export{"hello": {}, "bad": {Invalid: "NoService: gone"}},
		Derived: map[string]facts.Derived{"hello": {
			Object: facts.Object{Namespace: "sample", Name: "derived-x"}, Target: 20001, Endpoints: []string{"10.11.0.9"},
		}},
	}
	if !strings.Contains(got.Records[0].Invalid, "netwrk") {
		t.Errorf("a record with an unknown field: %q", got.Records[0].Invalid)
	}
	agent, err := r.ReadAgent(t.Context())
	if diff := cmp.Diff(facts.Cluster{Agent: want.Agent, Members: want.Members}, agent, cmp.AllowUnexported(facts.Cluster{})); diff != "" || err != nil {
		t.Errorf("the agent alone: %v\n%s", err, diff)
	}
	got.Records[0].Invalid = ""
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(facts.Cluster{})); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyClusterIsKnownToBeEmpty(t *testing.T) {
	t.Parallel()
	got := facts.Reader{Kube: kubefake.NewClientset(), Dynamic: dynamicClient(), Namespace: "sample", Exports: harness.ServiceExports}.Read(t.Context())
	want := facts.Cluster{Members: map[string]facts.Member{}, Exports: map[string]facts.Export{}, Derived: map[string]facts.Derived{}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(facts.Cluster{})); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	kube := kubefake.NewClientset()
	kube.PrependReactor("list", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("forbidden")
	})
	got := facts.Reader{Kube: kube, Dynamic: dynamicClient(), Exports: harness.ServiceExports}.Read(t.Context())
	if diff := cmp.Diff([]string{"records of members: forbidden"}, got.Unread); diff != "" {
		t.Error(diff)
	}
	for part, want := range map[string]bool{
		facts.PartRecords: false, facts.PartAgent: true,
		facts.PartExports: false, facts.PartDerived: false, // no namespace was asked for
	} {
		if got.Knows(part) != want {
			t.Errorf("knows %s: %v", part, !want)
		}
	}
}
