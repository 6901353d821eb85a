package member

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// identity is the least a cluster must tell of itself.
func identity() []runtime.Object {
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "uid-1"}},
		&corev1.ConfigMap{ObjectMeta: named("kube-system", "kube-root-ca.crt"), Data: map[string]string{"ca.crt": "CA\n"}},
	}
}

// meshed is a cluster with all that is read.
func meshed() []runtime.Object {
	deployment, service := istiod("asm-1232-2"), gatewayService(nil)
	pod := proxied("a-1", "a", "east", "net-east")
	yes, no := true, false
	return append(identity(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "istio-system", Labels: map[string]string{NetworkLabel: "net-east"}}},
		&deployment, &service, &pod,
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{
			Name: "istio-revision-tag-default", Labels: map[string]string{RevisionLabel: "asm-1232-2", tagLabel: "default"},
		}},
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{
			Name: "istio-sidecar-injector-asm-1232-2", Labels: map[string]string{RevisionLabel: "asm-1232-2"},
		}},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "x", Labels: map[string]string{discoveryv1.LabelServiceName: "istio-eastwestgateway"}},
			Endpoints:  []discoveryv1.Endpoint{{}, {Conditions: discoveryv1.EndpointConditions{Ready: &yes}}, {Conditions: discoveryv1.EndpointConditions{Ready: &no}}},
		},
		&corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{corev1.LabelTopologyRegion: "r1"}},
			Spec:       corev1.NodeSpec{PodCIDRs: []string{"10.1.0.0/24"}, ProviderID: "aws:///zone/i-1"},
			Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: "n1"}, {Type: corev1.NodeInternalIP, Address: "192.0.2.1"}}},
		},
		&corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "n0", Labels: map[string]string{corev1.LabelTopologyRegion: "r1"}},
			Spec:       corev1.NodeSpec{PodCIDRs: []string{"10.0.0.0/24"}},
		},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "istio-remote-secret-west", Labels: map[string]string{RemoteSecretLabel: "true"}}, Data: map[string][]byte{"west": []byte(remoteKubeconfig)}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "unlabelled"}, Data: map[string][]byte{"south": []byte(remoteKubeconfig)}},
		&corev1.ConfigMap{ObjectMeta: named("istio-system", "istio-ca-root-cert"), Data: map[string]string{"root-cert.pem": "ROOT"}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "cacerts", Annotations: map[string]string{RestartPendingAnnotation: "x"}},
			Data:       map[string][]byte{"ca-cert.pem": []byte("CERT"), "ca-key.pem": []byte("hush"), "tls.key": []byte("hush")},
		},
		&corev1.Secret{ObjectMeta: named("istio-system", "istio-ca-secret"), Data: map[string][]byte{"ca-cert.pem": []byte("OWN"), "ca-key.pem": []byte("hush")}},
	)
}

// cluster is a member over fake clients. For each API group it serves it has an
// exposure, too.
func cluster(objects []runtime.Object, groups ...string) (*Member, *fake.Clientset) {
	kube := fake.NewClientset(objects...)
	for _, group := range groups {
		kube.Resources = append(kube.Resources, &metav1.APIResourceList{GroupVersion: group})
	}
	// The fake would guess the plural of Gateway wrong, so it is told the resource.
	dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{istioGateways: "GatewayList", apiGateways: "GatewayList"})
	for _, name := range groups {
		exposure := istioGateway(istioServer("AUTO_PASSTHROUGH", 15443, "*.local"))
		exposure.SetName(strings.ReplaceAll(name, "/", "-"))
		_ = dynamic.Tracker().Create(istioGateways, &exposure, "istio-system")
		declared := remoteGateway("istio-remote", 15443, "203.0.113.9")
		declared.SetName(exposure.GetName())
		_ = dynamic.Tracker().Create(apiGateways, &declared, "istio-system")
	}
	return &Member{Name: "east", IstioNamespace: "istio-system", Kube: kube, Dynamic: dynamic}, kube
}

func TestGather(t *testing.T) {
	t.Parallel()
	m, _ := cluster(meshed(), "networking.istio.io/v1", "gateway.networking.k8s.io/v1")
	facts, err := m.Gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if facts.UID != "uid-1" || facts.CAHash != CAHash([]byte("CA")) || facts.Version == "" || facts.Platform != "aws" || facts.Region != "r1" ||
		facts.NamespaceNetwork != "net-east" || !facts.HasIstioCRDs || !facts.HasGatewayAPI {
		t.Errorf("got %+v", facts)
	}
	for what, pair := range map[string][2]any{
		"pod CIDRs": {[]string{"10.0.0.0/24", "10.1.0.0/24"}, facts.PodCIDRs},
		"nodes":     {[]string{"192.0.2.1"}, facts.Nodes},
		"tags":      {map[string]string{"default": "asm-1232-2"}, facts.Tags},
		"trust": {TrustObjects{
			RootPEM: []byte("ROOT"), CACerts: map[string][]byte{"ca-cert.pem": []byte("CERT")}, RestartPending: true,
			SelfSigned: true, SelfSignedPEM: []byte("OWN"),
		}, facts.Trust},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
	}
	if len(facts.ControlPlanes) != 1 || facts.ControlPlanes[0].Revision != "asm-1232-2" {
		t.Errorf("control planes %+v", facts.ControlPlanes)
	}
	if len(facts.Gateways) != 1 || facts.Gateways[0].Ready != 2 {
		t.Errorf("gateways %+v", facts.Gateways)
	}
	if len(facts.Exposures) != 2 || len(facts.RemoteSecrets) != 1 || facts.RemoteSecrets[0].Keys[0].ClusterID != "west" || len(facts.Proxies) != 1 || len(facts.Declared) != 2 {
		t.Errorf("exposures %+v, remote secrets %+v, proxies %+v, declared %+v", facts.Exposures, facts.RemoteSecrets, facts.Proxies, facts.Declared)
	}
}

// TestGatherABareCluster: what is not installed is absent, not an error.
func TestGatherABareCluster(t *testing.T) {
	t.Parallel()
	m, _ := cluster(identity())
	facts, err := m.Gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(facts.ControlPlanes) > 0 || facts.HasIstioCRDs || facts.HasGatewayAPI || facts.Trust.SelfSigned || facts.Trust.CACerts != nil || facts.Region != "" {
		t.Errorf("got %+v", facts)
	}
}

// TestGatherIsAllOrNothing names the cluster, and tells one that does not answer
// from one that lets us read too little.
func TestGatherIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ verb, resource, code string }{
		"it does not answer":      {"get", "namespaces", "ClusterUnreachable"},
		"its authority is hidden": {"get", "configmaps", "ClusterUnreachable"},
		"its Secrets are hidden":  {"list", "secrets", "FactsUnreadable"},
		"its nodes are hidden":    {"list", "nodes", "FactsUnreadable"},
		"its Services are hidden": {"list", "services", "FactsUnreadable"},
		"its pods are hidden":     {"list", "pods", "FactsUnreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, kube := cluster(meshed())
			refused := errors.New("refused")
			kube.PrependReactor(tc.verb, tc.resource, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, refused })
			facts, err := m.Gather(t.Context())
			all := problem.All(err)
			if facts != nil || len(all) != 1 || all[0].Kind != problem.Cluster || all[0].Code != tc.code || all[0].Cluster != "east" || !errors.Is(err, refused) || all[0].Fix == "" {
				t.Errorf("got %v, %v", facts, err)
			}
		})
	}
}
