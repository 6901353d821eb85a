package plain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
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

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// mesh is a simulated mesh without Istio: API objects in fake clients, agents
// that derive Services from exports, gateways that say so, and pods that answer
// exec as curl would.
type mesh struct {
	names []string
	kube  map[string]*kubefake.Clientset
	dyn   map[string]*dynamicfake.FakeDynamicClient

	mu sync.Mutex // guards what follows
	// down are the members whose agent does not run.
	down map[string]bool
	// cut links do not answer, nor do URLs: curl prints this instead.
	cut map[[2]string]string
	// unhealthy are the members that a consumer's gateway finds unhealthy.
	unhealthy map[[2]string]bool
	// mute are versions of the shared service that never answer a consumer.
	mute map[[2]string]bool
	// exported is what each member exports, by service.
	exported map[string][]string
	turn     int
}

func newMesh(t *testing.T, names ...string) *mesh {
	t.Helper()
	m := &mesh{
		names: names, kube: map[string]*kubefake.Clientset{}, dyn: map[string]*dynamicfake.FakeDynamicClient{},
		down: map[string]bool{}, cut: map[[2]string]string{}, unhealthy: map[[2]string]bool{}, mute: map[[2]string]bool{}, exported: map[string][]string{},
	}
	for i, name := range names {
		m.kube[name] = kubefake.NewClientset(m.objects(t, i)...)
		m.kube[name].PrependReactor("create", "deployments", m.runPods(name))
		m.kube[name].PrependReactor("create", "tokenreviews", review)
		m.kube[name].PrependReactor("create", "subjectaccessreviews", review)
		m.dyn[name] = dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
			harness.ServiceExports: "ServiceExportList",
			{Group: "eastwest.dev", Version: "v1alpha1", Resource: "memberclusters"}: "MemberClusterList",
		})
		m.dyn[name].PrependReactor("create", "serviceexports", m.export(name))
	}
	return m
}

func (m *mesh) index(name string) int { return slices.Index(m.names, name) }

func (m *mesh) clusters() []verify.Cluster {
	var all []verify.Cluster
	for _, name := range m.names {
		all = append(all, verify.Cluster{
			Name: name, Network: name, Kube: m.kube[name], Dynamic: m.dyn[name], Exec: m.exec(name), Ask: m.ask(name),
		})
	}
	return all
}

func gatewayIP(i int) string     { return fmt.Sprintf("172.30.0.10%d", i+1) }
func gatewayPodIP(i int) string  { return fmt.Sprintf("10.%d1.0.9", i+1) }
func podIP(i int) string         { return fmt.Sprintf("10.%d1.0.5", i+1) }
func gatewayURL(i int) string    { return "https://" + gatewayIP(i) + ":15443/" }
func derived(name string) string { return "derived-" + name }

// objects are those of a cluster that is joined to all others.
func (m *mesh) objects(t *testing.T, i int) []runtime.Object {
	t.Helper()
	gateway := map[string]string{"app": "eastwest-gateway"}
	ready := corev1.PodStatus{PodIP: gatewayPodIP(i), Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	records := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: facts.Namespace, Name: "members", Labels: map[string]string{"eastwest.dev/member": "true"}},
		Data:       map[string][]byte{},
	}
	for j, peer := range m.names {
		if j != i {
			records.Data[peer+".member.yaml"] = fmt.Appendf(nil, "name: %s\nnetwork: %s\n", peer, peer)
			records.Data[peer+".kubeconfig"] = kubeconfigOf(t, peer)
		}
	}
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: facts.Namespace}}, records,
		&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: facts.Namespace, Name: facts.AgentName}, Status: appsv1.DeploymentStatus{ReadyReplicas: 1},
		},
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: facts.Namespace, Name: facts.GatewayName},
			Spec:       corev1.ServiceSpec{Selector: gateway, Ports: []corev1.ServicePort{{Port: 15443}}},
			Status:     corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: gatewayIP(i)}}}},
		},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: facts.Namespace, Name: "gateway-0", Labels: gateway}, Status: ready},
	}
}

// stop takes a member's agent away.
func (m *mesh) stop(name string) {
	m.down[name] = true
	deployments := m.kube[name].AppsV1().Deployments(facts.Namespace)
	d, err := deployments.Get(context.Background(), facts.AgentName, metav1.GetOptions{})
	if err == nil {
		none := int32(0)
		d.Spec.Replicas, d.Status.ReadyReplicas = &none, 0
		_, err = deployments.Update(context.Background(), d, metav1.UpdateOptions{})
	}
	if err != nil {
		panic(err)
	}
}

// runPods makes a ready pod for every Deployment.
func (m *mesh) runPods(name string) clienttesting.ReactionFunc {
	return func(action clienttesting.Action) (bool, runtime.Object, error) {
		d := action.(clienttesting.CreateAction).GetObject().(*appsv1.Deployment)
		return false, nil, m.kube[name].Tracker().Add(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name + "-0", Labels: d.Spec.Template.Labels},
			Status: corev1.PodStatus{PodIP: podIP(m.index(name)), Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			}},
		})
	}
}

// export has every agent that runs derive a Service, which leads to pods where
// nobody else exports it.
func (m *mesh) export(name string) clienttesting.ReactionFunc {
	return func(action clienttesting.Action) (bool, runtime.Object, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		e := action.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
		service, namespace := e.GetName(), e.GetNamespace()
		m.exported[service] = append(m.exported[service], name)
		if m.down[name] {
			return false, nil, nil
		}
		for i, consumer := range m.names {
			if m.down[consumer] || len(m.exported[service]) > 1 && service == harness.HelloName {
				continue // it is derived already
			}
			behind := gatewayPodIP(i)
			if consumer == name && service != harness.HelloName {
				behind = podIP(i)
			}
			for _, o := range derivedObjects(service, namespace, behind) {
				if err := m.kube[consumer].Tracker().Add(o); err != nil {
					return true, nil, err
				}
			}
		}
		return false, nil, nil
	}
}

func derivedObjects(service, namespace, behind string) []runtime.Object {
	labels := map[string]string{"eastwest.dev/derived": "true", discoveryv1.LabelServiceName: derived(service)}
	meta := metav1.ObjectMeta{
		Namespace: namespace, Name: derived(service), Labels: labels, Annotations: map[string]string{"eastwest.dev/service": service},
	}
	return []runtime.Object{
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: harness.Port, TargetPort: intstr.FromInt32(20000)}}}},
		&discoveryv1.EndpointSlice{ObjectMeta: meta, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{behind}}}},
	}
}

// review lets everybody do everything.
func review(action clienttesting.Action) (bool, runtime.Object, error) {
	switch review := action.(clienttesting.CreateAction).GetObject().(type) {
	case *authenticationv1.TokenReview:
		review.Status.Authenticated = review.Spec.Token != "revoked"
		return true, review, nil
	case *authorizationv1.SubjectAccessReview:
		review.Status.Allowed = true
		return true, review, nil
	}
	return true, nil, errors.New("no review")
}

func kubeconfigOf(t *testing.T, name string) []byte {
	t.Helper()
	content, err := kubeconfig.Remote{
		ClusterID: name, Server: "https://api." + name + ":6443", CA: testca.Root(t).CertPEM(), Token: "secret",
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return content
}
