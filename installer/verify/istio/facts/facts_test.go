package facts_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

var kinds = map[schema.GroupVersionResource]string{
	{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}:            "GatewayList",
	{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}:    "DestinationRuleList",
	{Group: "networking.istio.io", Version: "v1", Resource: "sidecars"}:            "SidecarList",
	{Group: "security.istio.io", Version: "v1", Resource: "peerauthentications"}:   "PeerAuthenticationList",
	{Group: "security.istio.io", Version: "v1", Resource: "authorizationpolicies"}: "AuthorizationPolicyList",
	{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}:      "GatewayList",
}

func object(apiVersion, kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func meta(namespace, name string, labels ...string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{}}
	for i := 0; i+1 < len(labels); i += 2 {
		m.Labels[labels[i]] = labels[i+1]
	}
	return m
}

const kubeconfig = `{"current-context":"c","clusters":[{"name":"c","cluster":{"server":"https://172.30.0.12:6443"}}],
"users":[{"name":"c","user":{"token":"secret"}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}]}`

func cluster() []runtime.Object {
	ready := corev1.PodStatus{PodIP: "10.1.0.9", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: meta("", "istio-system", facts.NetworkLabel, "net-1")},
		&corev1.Service{
			ObjectMeta: meta("gateways", "eastwest", facts.NetworkLabel, "net-1"),
			Spec: corev1.ServiceSpec{
				Selector: map[string]string{"istio": "eastwestgateway"}, ExternalIPs: []string{"203.0.113.7"},
				Ports: []corev1.ServicePort{{Port: 15021}, {Port: 15443, TargetPort: intstr.FromInt32(8443)}},
			},
			Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{Hostname: "lb.example"}}}},
		},
		&corev1.Service{ObjectMeta: meta("istio-system", "unlabelled", "istio", "eastwestgateway"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 15443}}}},
		&corev1.Service{ObjectMeta: meta("istio-system", "ingress", "istio", "ingressgateway"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 15443}}}},
		&corev1.Service{
			ObjectMeta: meta("istio-system", "other-port", facts.NetworkLabel, "net-1", "networking.istio.io/gatewayPort", "443"),
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}},
		},
		&corev1.Service{ObjectMeta: meta("istio-system", "istiod"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 15012}}}},
		&corev1.Pod{ObjectMeta: meta("gateways", "gw-0", "istio", "eastwestgateway"), Status: ready},
		&corev1.Pod{ObjectMeta: meta("gateways", "gw-1", "istio", "eastwestgateway")},
		&corev1.Pod{ObjectMeta: meta("istio-system", "istiod-0", "app", "istiod", facts.RevisionLabel, "rev"), Status: ready},
		&corev1.Secret{ObjectMeta: meta("istio-system", "remote", "istio/multiCluster", "true"), Data: map[string][]byte{
			"c2": []byte(kubeconfig), "broken": []byte("{"),
		}},
		&corev1.ConfigMap{ObjectMeta: meta("istio-system", "istio-rev"), Data: map[string]string{"mesh": "rootNamespace: root\nenableAutoMtls: false\n" +
			"discoverySelectors: [{matchLabels: {a: b}}]\nserviceSettings: [{settings: {clusterLocal: true}, hosts: ['*.shop.svc.cluster.local']}]\n"}},
	}
}

// reader puts the policies in place by name of their kind: the fake's own guess
// at the plural of Gateway is wrong.
func reader(objects []runtime.Object, policies ...*unstructured.Unstructured) facts.Reader {
	dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds)
	for _, p := range policies {
		for gvr, list := range kinds {
			if list == p.GetKind()+"List" && gvr.Group == p.GroupVersionKind().Group {
				_ = dynamic.Tracker().Create(gvr, p, p.GetNamespace())
			}
		}
	}
	return facts.Reader{
		Kube:    kubefake.NewClientset(objects...),
		Dynamic: dynamic,
		Exec: func(context.Context, podexec.Target, ...string) ([]byte, error) {
			return []byte(`[{"id":"c2","secretName":"istio-system/remote","syncStatus":"synced"}]`), nil
		},
		IstioNamespace: "istio-system", Namespace: "sample",
	}
}

func TestReadCluster(t *testing.T) {
	t.Parallel()
	got := reader(cluster()).Read(t.Context())
	want := facts.Cluster{
		Network: "net-1",
		Gateways: []facts.Gateway{
			{
				Object: facts.Object{Namespace: "gateways", Name: "eastwest"}, Network: "net-1", Port: 15443, TargetPort: 8443,
				Addresses: []string{"lb.example", "203.0.113.7"}, Selector: map[string]string{"istio": "eastwestgateway"},
				Pods: []facts.GatewayPod{
					{Name: "gw-0", IP: "10.1.0.9", Ready: true, Labels: map[string]string{"istio": "eastwestgateway"}},
					{Name: "gw-1", Labels: map[string]string{"istio": "eastwestgateway"}},
				},
			},
			{Object: facts.Object{Namespace: "istio-system", Name: "other-port"}, Network: "net-1", Port: 443, TargetPort: 443},
			{Object: facts.Object{Namespace: "istio-system", Name: "unlabelled"}, Port: 15443, TargetPort: 15443},
		},
		RemoteSecrets: []facts.RemoteSecret{
			{Object: facts.Object{Namespace: "istio-system", Name: "remote"}, ClusterID: "broken", Invalid: "no readable kubeconfig"},
			{Object: facts.Object{Namespace: "istio-system", Name: "remote"}, ClusterID: "c2", Server: "https://172.30.0.12:6443", Token: "secret"},
		},
		Istiods: []facts.Istiod{{Pod: "istiod-0", Revision: "rev", Ready: true, Sync: map[string]string{"c2": "synced"}}},
		Meshes:  map[string]facts.Mesh{"rev": {RootNamespace: "root", ClusterLocal: []string{"*.shop.svc.cluster.local"}, Selects: true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadPoliciesWhereTheyApply(t *testing.T) {
	t.Parallel()
	tls := map[string]any{"trafficPolicy": map[string]any{"tls": map[string]any{"mode": "DISABLE"}}, "host": "*.local"}
	got := reader(cluster(),
		object("networking.istio.io/v1", "DestinationRule", "root", "mesh-wide", tls),
		object("networking.istio.io/v1", "DestinationRule", "sample", "own", tls),
		object("networking.istio.io/v1", "DestinationRule", "shop", "elsewhere", tls),
		object("security.istio.io/v1", "PeerAuthentication", "root", "default", map[string]any{
			"mtls": map[string]any{"mode": "STRICT"}, "portLevelMtls": map[string]any{"5000": map[string]any{"mode": "DISABLE"}},
		}),
		object("security.istio.io/v1", "AuthorizationPolicy", "sample", "nothing", map[string]any{}),
		object("networking.istio.io/v1", "Sidecar", "sample", "default", map[string]any{"egress": []any{map[string]any{"hosts": []any{"./*"}}}}),
		object("networking.istio.io/v1", "Gateway", "anywhere", "expose", map[string]any{
			"selector": map[string]any{"istio": "eastwestgateway"},
			"servers": []any{
				map[string]any{"port": map[string]any{"number": int64(443)}, "tls": map[string]any{"mode": "SIMPLE"}},
				map[string]any{"port": map[string]any{"number": int64(15443)}, "tls": map[string]any{"mode": "AUTO_PASSTHROUGH"}, "hosts": []any{"*.local"}},
			},
		}),
	).Read(t.Context())
	var rules []string
	for _, r := range got.DestinationRules {
		rules = append(rules, r.Object.String()+" "+r.Policy.TLS.Mode)
	}
	if diff := cmp.Diff([]string{"root/mesh-wide DISABLE", "sample/own DISABLE"}, rules); diff != "" {
		t.Error(diff)
	}
	if p := got.PeerAuthentications; len(p) != 1 || p[0].MTLS.Mode != "STRICT" || p[0].Ports["5000"].Mode != "DISABLE" {
		t.Errorf("PeerAuthentications: %+v", p)
	}
	if p := got.AuthorizationPolicies; len(p) != 1 || p[0].Name != "nothing" || len(p[0].Rules) != 0 {
		t.Errorf("AuthorizationPolicies: %+v", p)
	}
	if s := got.Sidecars; len(s) != 1 || s[0].Egress[0].Hosts[0] != "./*" {
		t.Errorf("Sidecars: %+v", s)
	}
	want := []facts.Exposure{{
		Object: facts.Object{Namespace: "anywhere", Name: "expose"}, Selector: map[string]string{"istio": "eastwestgateway"}, Port: 15443, Hosts: []string{"*.local"},
	}}
	if diff := cmp.Diff(want, got.Exposures); diff != "" {
		t.Error(diff)
	}
}

func TestReadDeclaredGateways(t *testing.T) {
	t.Parallel()
	declared := object("gateway.networking.k8s.io/v1", "Gateway", "istio-system", "west", map[string]any{
		"gatewayClassName": "istio-remote", "addresses": []any{map[string]any{"value": "198.51.100.1"}}, "listeners": []any{map[string]any{"port": int64(25443)}},
	})
	declared.SetLabels(map[string]string{facts.NetworkLabel: "net-2"})
	got := reader(cluster(), declared).Read(t.Context()).Declared
	want := []facts.Declared{{Object: facts.Object{Namespace: "istio-system", Name: "west"}, Network: "net-2", Address: "198.51.100.1", Port: 25443}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	r := reader(cluster())
	r.Kube.(*kubefake.Clientset).PrependReactor("list", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("forbidden")
	})
	got := r.Read(t.Context())
	if diff := cmp.Diff([]string{"remote secrets: forbidden"}, got.Unread); diff != "" {
		t.Error(diff)
	}
	if len(got.Gateways) == 0 || len(got.Istiods) == 0 {
		t.Error("the rest was not read")
	}
}
