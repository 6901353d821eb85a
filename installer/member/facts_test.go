package member

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestPlatformOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ provider, label, want string }{
		"GKE by its label":        {"gce://p/z/n", "cloud.google.com/gke-nodepool", "gke"},
		"EKS by its label":        {"aws:///z/i", "eks.amazonaws.com/nodegroup", "eks"},
		"AKS by its label":        {"azure:///x", "kubernetes.azure.com/cluster", "aks"},
		"the lab":                 {"", "eastwest.dev/lab", "lab"},
		"AWS":                     {"aws:///z/i", "", "aws"},
		"Azure":                   {"azure:///x", "", "azure"},
		"VMware":                  {"vsphere://x", "", "vmware"},
		"bare metal":              {"baremetal://x", "", "baremetal"},
		"kind":                    {"kind://docker/a/b", "", "kind"},
		"somebody else's":         {"digitalocean://1", "", ""},
		"nobody's":                {"", "", ""},
		"a label of another sort": {"", "topology.kubernetes.io/zone", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{tc.label: "x"}}, Spec: corev1.NodeSpec{ProviderID: tc.provider}}
			if got := platformOf(node); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	yes := true
	m, _ := cluster([]runtime.Object{
		&corev1.Service{ObjectMeta: named("shop", "web"), Spec: corev1.ServiceSpec{Type: "ClusterIP", Ports: []corev1.ServicePort{{Port: 90, Protocol: "UDP", Name: "b"}, {Port: 80, Protocol: "TCP", Name: "a"}}}},
		&corev1.Service{ObjectMeta: named("shop", "db"), Spec: corev1.ServiceSpec{Type: "ClusterIP", ClusterIP: corev1.ClusterIPNone}},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
			Endpoints:  []discoveryv1.Endpoint{{Conditions: discoveryv1.EndpointConditions{Ready: &yes}}},
		},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-2", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
			Endpoints:  []discoveryv1.Endpoint{{}},
		},
	})
	got, err := m.Services(t.Context())
	want := []Service{
		{Namespace: "shop", Name: "db", Type: "ClusterIP", Headless: true},
		{Namespace: "shop", Name: "web", Type: "ClusterIP", Ports: []string{"80/TCP a", "90/UDP b"}, Ready: 2},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestAPIAddresses(t *testing.T) {
	t.Parallel()
	port := int32(6443)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
		Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}, {Addresses: []string{"2001:db8::1"}}, {}},
		Ports:      []discoveryv1.EndpointPort{{Port: &port}, {}},
	}
	info := func(kubeconfig string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: named("kube-public", "cluster-info"), Data: map[string]string{"kubeconfig": kubeconfig}}
	}
	endpoints := []APIAddress{{"https://192.0.2.1:6443", "endpoints"}, {"https://[2001:db8::1]:6443", "endpoints"}}
	for name, tc := range map[string]struct {
		objects []runtime.Object
		want    []APIAddress
	}{
		"nothing is said":      {nil, nil},
		"the endpoints":        {[]runtime.Object{slice}, endpoints},
		"what kubeadm says":    {[]runtime.Object{slice, info(strings.Replace(remoteKubeconfig, ":6443", ":6443/", 1))}, append([]APIAddress{{"https://203.0.113.7:6443", "cluster-info"}}, endpoints...)},
		"what cannot be read":  {[]runtime.Object{slice, info("\x00")}, endpoints},
		"a map of other words": {[]runtime.Object{slice, info("")}, endpoints},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := cluster(tc.objects)
			got, err := m.APIAddresses(t.Context())
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

func TestDeploymentSelector(t *testing.T) {
	t.Parallel()
	deployment := istiod("")
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "istiod"}}
	m, _ := cluster([]runtime.Object{&deployment})
	for name, want := range map[string]map[string]string{"istiod": {"app": "istiod"}, "none": nil} {
		got, err := m.DeploymentSelector(t.Context(), "istio-system", name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

func TestReadyPod(t *testing.T) {
	t.Parallel()
	now := metav1.Now()
	running := proxied("b", "gw", "east", "net-east")
	pending, going, other := running, running, running
	pending.Name, pending.Status.Phase = "a", corev1.PodPending
	going.Name, going.DeletionTimestamp, going.Finalizers = "aa", &now, []string{"x"}
	other.Name, other.Labels = "aaa", map[string]string{"app": "other"}
	selector := map[string]string{"service.istio.io/canonical-name": "gw"}
	m, _ := cluster([]runtime.Object{&running, &pending, &going, &other})
	if got, err := m.ReadyPod(t.Context(), "shop", selector); got != "b" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := m.ReadyPod(t.Context(), "elsewhere", selector); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
