package watch

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// patience is for what takes milliseconds on an idle machine.
const patience = 30 * time.Second

// realRig is a Cluster that watches a real API server, and of it one namespace.
type realRig struct {
	*recorder
	cluster   *Cluster
	kube      kubernetes.Interface
	namespace string
}

var namespaceCount atomic.Int32

func newRealRig(t *testing.T, config *rest.Config, timing timing, change func(*Options)) *realRig {
	t.Helper()
	r := &realRig{recorder: newRecorder(), kube: testapi.Client(t), namespace: fmt.Sprintf("watch-%d", namespaceCount.Add(1))}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}}
	if _, err := r.kube.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	options := Options{Record: record(), Config: config, Exports: []v1alpha1.ExportRule{{Namespace: r.namespace, Name: "*"}}}
	options.Record.UID = ""
	options.Record.Namespaces.Allow = []string{r.namespace}
	if change != nil {
		change(&options)
	}
	var err error
	if r.cluster, err = newCluster(options, timing); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.cluster.Run(ctx, r)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// until waits for a shard and returns how long that took.
func (r *realRig) until(t *testing.T, what string, true func(*model.Shard) bool) time.Duration {
	t.Helper()
	began := time.Now()
	timeout := time.After(patience)
	for {
		if shard := r.last(); shard != nil && true(shard) {
			return time.Since(began)
		}
		select {
		case <-r.told:
		case <-timeout:
			t.Fatalf("no shard in which %s; the last is %+v, status %+v", what, r.last(), r.cluster.Status())
		}
	}
}

func (r *realRig) untilState(t *testing.T, state model.State) time.Duration {
	t.Helper()
	return r.until(t, "the member is "+state.String(), func(s *model.Shard) bool { return s.Member.State == state })
}

func (r *realRig) untilEndpoints(t *testing.T, name string, count int) {
	t.Helper()
	r.until(t, fmt.Sprintf("%s has %d endpoints", name, count), func(s *model.Shard) bool {
		offer := s.Services.Get(model.ServiceKey{Namespace: r.namespace, Name: name})
		return offer != nil && sizeOf(offer.Slices) == count
	})
}

// shop makes a service with endpoints.
func (r *realRig) shop(t *testing.T, count int) {
	t.Helper()
	service := kubeService(r.namespace, "cart")
	service.Spec.ClusterIP = ""
	if _, err := r.kube.CoreV1().Services(r.namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.slice(t, "cart-1", count)
}

func (r *realRig) slice(t *testing.T, name string, count int) {
	t.Helper()
	if _, err := r.kube.DiscoveryV1().EndpointSlices(r.namespace).Create(t.Context(), kubeSlice(r.namespace, name, "cart", count), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestARealAPIServer(t *testing.T) {
	t.Parallel()
	r := newRealRig(t, testapi.Config(t), defaultTiming, nil)
	r.untilState(t, model.Ready)
	if r.last().Member.UID == "" {
		t.Error("no identity was pinned")
	}
	r.shop(t, 3)
	r.untilEndpoints(t, "cart", 3)
	r.slice(t, "cart-2", 2)
	r.untilEndpoints(t, "cart", 5)
	slices := r.kube.DiscoveryV1().EndpointSlices(r.namespace)
	ours := kubeSlice(r.namespace, "ours", "cart", 7)
	ours.Labels["endpointslice.kubernetes.io/managed-by"] = v1alpha1.ManagedByAgent
	if _, err := slices.Create(t.Context(), ours, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := slices.Delete(t.Context(), "cart-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.untilEndpoints(t, "cart", 2)
	if r.cluster.current.streams[ofSlices].lists {
		t.Error("a current API server lists within a watch, but pages were read")
	}
}

// TestTheGatewayOfARealAPIServer reads addresses from the Service's status.
func TestTheGatewayOfARealAPIServer(t *testing.T) {
	t.Parallel()
	r := newRealRig(t, testapi.Config(t), defaultTiming, nil)
	r.untilState(t, model.Ready)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: gatewayNamespace}}
	if _, err := r.kube.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.kube.CoreV1().Services(gatewayNamespace).Delete(context.Background(), gatewayService, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	service := kubeService(gatewayNamespace, gatewayService, corev1.ServicePort{Name: "tls", Port: 15443})
	service.Spec.ClusterIP, service.Spec.Type = "", corev1.ServiceTypeLoadBalancer
	service, err := r.kube.CoreV1().Services(gatewayNamespace).Create(t.Context(), service, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}}
	if _, err := r.kube.CoreV1().Services(gatewayNamespace).UpdateStatus(t.Context(), service, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the gateway has its address", func(s *model.Shard) bool {
		return len(s.Member.Gateways) == 1 && s.Member.Gateways[0] == model.HostPort{Host: "192.0.2.7", Port: 15443}
	})
}

// TestServiceExportsOfARealAPIServer goes through the life of the CRD: absent,
// served, in use, and removed.
func TestServiceExportsOfARealAPIServer(t *testing.T) {
	t.Parallel()
	config, quick := testapi.Config(t), defaultTiming
	quick.recheck = 200 * time.Millisecond
	r := newRealRig(t, config, quick, func(o *Options) { o.Exports = nil })
	r.untilState(t, model.Ready)
	r.shop(t, 3)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := crds.Create(t.Context(), exportCRD(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	export := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport", "metadata": map[string]any{"name": "cart"},
	}}
	exports := client.Resource(schema.GroupVersionResource{Group: "multicluster.x-k8s.io", Version: "v1beta1", Resource: "serviceexports"}).Namespace(r.namespace)
	eventually(t, func() error {
		_, err := exports.Create(t.Context(), export, metav1.CreateOptions{})
		return err
	})
	r.untilEndpoints(t, "cart", 3)
	if err := crds.Delete(t.Context(), "serviceexports.multicluster.x-k8s.io", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "nothing is exported", func(s *model.Shard) bool { return s.Services.Len() == 0 })
	eventually(t, func() error {
		if !r.cluster.Status().ExportsByPolicyOnly {
			return fmt.Errorf("status %+v", r.cluster.Status())
		}
		return nil
	})
}

func exportCRD() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{
			"name":        "serviceexports.multicluster.x-k8s.io",
			"annotations": map[string]any{"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/tree/master/keps/sig-multicluster/1645-multi-cluster-services-api"},
		},
		"spec": map[string]any{
			"group": "multicluster.x-k8s.io", "scope": "Namespaced",
			"names": map[string]any{"plural": "serviceexports", "singular": "serviceexport", "kind": "ServiceExport", "listKind": "ServiceExportList"},
			"versions": []any{map[string]any{
				"name": "v1beta1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
			}},
		},
	}}
}

// eventually repeats an act until it succeeds.
func eventually(t *testing.T, act func() error) {
	t.Helper()
	ticker, timeout := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for {
		err := act()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal(err)
		}
	}
}

// TestARefusedConnection is F01 over TCP and TLS.
func TestARefusedConnection(t *testing.T) {
	t.Parallel()
	proxy, config := faultproxy.New(t, testapi.Config(t))
	r := newRealRig(t, config, defaultTiming, nil)
	r.shop(t, 20)
	r.untilEndpoints(t, "cart", 20)
	before := r.changes()
	proxy.Refuse()
	if took := r.untilState(t, model.Degraded); took > time.Second {
		t.Errorf("degraded after %v", took)
	}
	proxy.Accept(t)
	if took := r.untilState(t, model.Ready); took > 7*time.Second {
		t.Errorf("ready after %v", took)
	}
	if r.changes() != before {
		t.Error("services changed though nothing did")
	}
}

// TestAFrozenConnection is F02: nothing is closed, nothing comes. Pings find it.
func TestAFrozenConnection(t *testing.T) {
	t.Parallel()
	proxy, config := faultproxy.New(t, testapi.Config(t))
	r := newRealRig(t, config, defaultTiming, nil)
	r.shop(t, 20)
	r.untilEndpoints(t, "cart", 20)
	if open := proxy.Open(); open != 1 {
		t.Errorf("%d connections: not everything goes through one", open)
	}
	proxy.Freeze()
	if took := r.untilState(t, model.Degraded); took > 11*time.Second {
		t.Errorf("degraded after %v", took)
	}
	proxy.Thaw()
	r.untilState(t, model.Ready)
	r.untilEndpoints(t, "cart", 20)
}

// TestRightsOfARealAPIServer is F17 and F19 with an account of its own.
func TestRightsOfARealAPIServer(t *testing.T) {
	t.Parallel()
	kube, name := testapi.Client(t), fmt.Sprintf("reader-%d", namespaceCount.Add(1))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	if _, err := kube.CoreV1().ServiceAccounts("default").Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	verbs := []string{"get", "list", "watch"}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "namespaces"}, Verbs: verbs},
		{APIGroups: []string{"multicluster.x-k8s.io"}, Resources: []string{"serviceexports"}, Verbs: verbs},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "default"}},
	}
	if _, err := kube.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := kube.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := kube.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(testapi.Config(t))
	config.BearerToken = token.Status.Token
	r := newRealRig(t, config, defaultTiming, nil)
	r.faultEventually(t, Forbidden, "list and watch endpointslices.discovery.k8s.io")
	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: verbs})
	if _, err := kube.RbacV1().ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.shop(t, 3)
	r.untilEndpoints(t, "cart", 3)

	bad := rest.CopyConfig(config)
	bad.BearerToken = "revoked"
	if err := r.cluster.Replace(r.cluster.options.Record, bad); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if pending := r.cluster.Status().Pending; len(pending) == 1 && pending[0].Reason == Unauthorized {
			return nil
		}
		return fmt.Errorf("status %+v", r.cluster.Status())
	})
	r.slice(t, "cart-2", 1)
	r.untilEndpoints(t, "cart", 4)
}

func (r *realRig) faultEventually(t *testing.T, reason Reason, text string) {
	t.Helper()
	eventually(t, func() error {
		for _, one := range r.cluster.Status().Faults {
			if one.Reason == reason && strings.Contains(one.Message, text) {
				return nil
			}
		}
		return fmt.Errorf("no fault %s with %q in %+v", reason, text, r.cluster.Status().Faults)
	})
}
