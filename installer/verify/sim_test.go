package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

// mesh is a simulated mesh: API objects in fake clients, and pods that answer
// exec as curl, pilot-agent and pilot-discovery would.
type mesh struct {
	names []string
	kube  map[string]*kubefake.Clientset
	dyn   map[string]*dynamicfake.FakeDynamicClient
	// revision is asked for in every cluster; only the default one is there.
	revision string

	mu sync.Mutex // guards what follows
	// cut links do not answer; curl prints this instead.
	cut map[[2]string]string
	// endpoints override what a consumer's Envoy has for a producer.
	endpoints map[[2]string][]string
	revoked   map[string]bool // tokens
	noExpose  map[string]bool // gateways without a listener
	bare      map[string]bool // clusters whose pods get no sidecar
	execs     int
	turn      int
}

func newMesh(names ...string) *mesh {
	m := &mesh{
		names: names, kube: map[string]*kubefake.Clientset{}, dyn: map[string]*dynamicfake.FakeDynamicClient{},
		cut: map[[2]string]string{}, endpoints: map[[2]string][]string{}, revoked: map[string]bool{}, noExpose: map[string]bool{}, bare: map[string]bool{},
	}
	for i, name := range names {
		m.kube[name] = kubefake.NewClientset(m.objects(i)...)
		m.kube[name].PrependReactor("create", "deployments", m.runPods(name))
		m.kube[name].PrependReactor("create", "tokenreviews", m.review)
		m.kube[name].PrependReactor("create", "subjectaccessreviews", allow)
		m.dyn[name] = dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), listKinds())
		// The fake's own guess at the plural of Gateway is wrong.
		_ = m.dyn[name].Tracker().Create(gateways, exposure(), "istio-system")
	}
	return m
}

func (m *mesh) index(name string) int {
	for i, n := range m.names {
		if n == name {
			return i
		}
	}
	return -1
}

func (m *mesh) clusters() []verify.Cluster {
	var all []verify.Cluster
	for _, name := range m.names {
		all = append(all, verify.Cluster{
			Name: name, ClusterID: "id-" + name, Network: "net-" + name, Revision: m.revision,
			Kube: m.kube[name], Dynamic: m.dyn[name], Exec: m.exec(name),
		})
	}
	return all
}

func gatewayIP(i int) string { return fmt.Sprintf("172.30.0.10%d", i+1) }
func podIP(i int) string     { return fmt.Sprintf("10.%d1.0.5", i+1) }

// objects are those of a cluster that is joined to all others.
func (m *mesh) objects(i int) []runtime.Object {
	name := m.names[i]
	network := map[string]string{"topology.istio.io/network": "net-" + name}
	ready := corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	gateway := map[string]string{"istio": "eastwestgateway"}
	all := []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "istio-system", Labels: network}},
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "istio-eastwestgateway", Labels: network},
			Spec:       corev1.ServiceSpec{Selector: gateway, Ports: []corev1.ServicePort{{Name: "tls", Port: 15443}}},
			Status:     corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: gatewayIP(i)}}}},
		},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "gateway-0", Labels: gateway}, Status: ready},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "istiod-0", Labels: map[string]string{"app": "istiod"}}, Status: ready},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "istio"}, Data: map[string]string{"mesh": "{}"}},
		&admissionv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "istio-sidecar-injector"},
			Webhooks: []admissionv1.MutatingWebhook{{
				Name: "rev.namespace.sidecar-injector.istio.io",
				NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
					{Key: "istio.io/rev", Operator: metav1.LabelSelectorOpIn, Values: []string{"default"}},
				}},
			}},
		},
	}
	for j, peer := range m.names {
		if j != i {
			all = append(all, remoteSecret(name, peer))
		}
	}
	return all
}

func remoteSecret(consumer, producer string) *corev1.Secret {
	kubeconfig := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c",
"clusters":[{"name":"c","cluster":{"server":"https://api.%s:6443"}}],
"users":[{"name":"c","user":{"token":"%s-of-%s"}}],
"contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}]}`, producer, consumer, producer)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "istio-system", Name: "istio-remote-secret-id-" + producer,
			Labels: map[string]string{"istio/multiCluster": "true"},
		},
		Data: map[string][]byte{"id-" + producer: []byte(kubeconfig)},
	}
}

func exposure() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"selector": map[string]any{"istio": "eastwestgateway"},
		"servers": []any{map[string]any{
			"port": map[string]any{"number": int64(15443)}, "hosts": []any{"*.local"},
			"tls": map[string]any{"mode": "AUTO_PASSTHROUGH"},
		}},
	}}}
	u.SetAPIVersion("networking.istio.io/v1")
	u.SetKind("Gateway")
	u.SetNamespace("istio-system")
	u.SetName("cross-network-gateway")
	return u
}

var gateways = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}

func listKinds() map[schema.GroupVersionResource]string {
	kinds := map[schema.GroupVersionResource]string{
		{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}: "GatewayList",
	}
	for kind, group := range map[string]string{
		"Gateway": "networking", "DestinationRule": "networking", "Sidecar": "networking",
		"PeerAuthentication": "security", "AuthorizationPolicy": "security",
	} {
		resource := strings.ToLower(kind) + "s"
		if kind == "AuthorizationPolicy" {
			resource = "authorizationpolicies"
		}
		kinds[schema.GroupVersionResource{Group: group + ".istio.io", Version: "v1", Resource: resource}] = kind + "List"
	}
	return kinds
}

// runPods makes a ready pod with a sidecar for every Deployment.
func (m *mesh) runPods(name string) clienttesting.ReactionFunc {
	return func(action clienttesting.Action) (bool, runtime.Object, error) {
		d := action.(clienttesting.CreateAction).GetObject().(*appsv1.Deployment)
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name + "-0", Labels: d.Spec.Template.Labels},
			Spec:       corev1.PodSpec{Containers: append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "istio-proxy"})},
			Status: corev1.PodStatus{PodIP: podIP(m.index(name)), Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			}},
		}
		if m.bare[name] {
			pod.Spec.Containers = d.Spec.Template.Spec.Containers
		}
		return false, nil, m.kube[name].Tracker().Add(pod)
	}
}

func (m *mesh) review(action clienttesting.Action) (bool, runtime.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	review := action.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview)
	review.Status.Authenticated = !m.revoked[review.Spec.Token]
	return true, review, nil
}

func allow(action clienttesting.Action) (bool, runtime.Object, error) {
	review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview)
	review.Status.Allowed = true
	return true, review, nil
}

// exec answers a command in a pod of one cluster.
func (m *mesh) exec(name string) func(context.Context, podexec.Target, ...string) ([]byte, error) {
	return func(ctx context.Context, target podexec.Target, command ...string) ([]byte, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.execs++
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case target.Container == "discovery":
			return m.clusterz(name), nil
		case target.Container == "istio-proxy" && strings.HasPrefix(target.Pod, "gateway"):
			return m.gatewayAdmin(name, command[3]), nil
		case target.Container == "istio-proxy":
			return m.admin(name, target.Namespace, command[3]), nil
		case target.Container == "sleep":
			return m.shell(name, command), nil
		}
		return nil, errors.New("no such container")
	}
}

func (m *mesh) clusterz(name string) []byte {
	var rows []map[string]string
	for _, peer := range m.names {
		rows = append(rows, map[string]string{"id": "id-" + peer, "syncStatus": "synced"})
	}
	data, _ := json.Marshal(rows)
	return data
}
