package derived

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.MainWithoutLeaks(m)) }

// state is what a writer is given as the view.
type state struct {
	view     *model.View
	complete bool
}

// rig runs a writer against a real API server.
type rig struct {
	kube    kubernetes.Interface
	current atomic.Pointer[state]
	wake    chan struct{}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{kube: testapi.Client(t), wake: make(chan struct{}, 1)}
	cluster := NewCluster(r.kube, GatewayService{Namespace: "default", Name: "gateway-" + strings.ToLower(t.Name())})
	writer := &Writer{
		Cluster: cluster, Own: "east", Families: []model.Family{model.IPv4, model.IPv6}, Log: slog.New(slog.DiscardHandler), Wakes: []<-chan struct{}{r.wake},
		View: func() (*model.View, bool) {
			now := r.current.Load()
			if now == nil {
				return nil, false
			}
			return now.view, now.complete
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	go func() { _ = cluster.Run(ctx); done <- struct{}{} }()
	go func() { writer.Run(ctx); done <- struct{}{} }()
	t.Cleanup(func() { cancel(); <-done; <-done })
	return r
}

func (r *rig) show(view *model.View, complete bool) {
	r.current.Store(&state{view, complete})
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// await polls until look is content.
func await(t *testing.T, what string, look func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !look() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		<-ticker.C
	}
}

func (r *rig) service(t *testing.T) *corev1.Service {
	t.Helper()
	object, err := r.kube.CoreV1().Services("demo").Get(t.Context(), Name(key("a", 80).Service), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// TestALifeOfADerivedService: it comes once its namespace is there, is put right
// when somebody edits it, keeps its address while its exporters are not known, and
// goes when nobody exports it.
func TestALifeOfADerivedService(t *testing.T) {
	r := newRig(t)
	all := view(apart, exported("a", tcp, pods("west", "10.2.0.1")))
	gateway, err := r.kube.DiscoveryV1().EndpointSlices("default").Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: "gateway", Labels: map[string]string{discoveryv1.LabelServiceName: "gateway-" + strings.ToLower(t.Name())},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.9"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.show(all, true)
	if _, err := r.kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "it comes with its namespace", func() bool { return r.service(t) != nil })
	made := r.service(t)
	if made.Spec.ClusterIP == "" || made.Spec.Ports[0].TargetPort.IntValue() != 20000 {
		t.Errorf("%+v", made.Spec)
	}
	await(t, "its slice leads to the gateway", func() bool {
		list, err := r.kube.DiscoveryV1().EndpointSlices("demo").List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + made.Name})
		return err == nil && len(list.Items) == 1 && list.Items[0].Endpoints[0].Addresses[0] == gateway.Endpoints[0].Addresses[0]
	})
	leads := func(address string, port int32) bool {
		object, err := r.kube.CoreV1().Endpoints("demo").Get(t.Context(), made.Name, metav1.GetOptions{})
		if err != nil {
			return address == "" && apierrors.IsNotFound(err)
		}
		return address != "" && len(object.Subsets) == 1 && object.Subsets[0].Addresses[0].IP == address && object.Subsets[0].Ports[0].Port == port
	}
	await(t, "kubectl get endpoints shows that, too", func() bool { return leads("10.1.0.9", 20000) })
	edit := []byte(`{"metadata":{"labels":{"theirs":"stays"}},"spec":{"ports":[{"name":"tcp","port":80,"protocol":"TCP","targetPort":1}]}}`)
	if _, err := r.kube.CoreV1().Services("demo").Patch(t.Context(), made.Name, types.StrategicMergePatchType, edit, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "an edit is put right", func() bool { return r.service(t).Spec.Ports[0].TargetPort.IntValue() == 20000 })
	if r.service(t).Labels["theirs"] != "stays" {
		t.Error("a label of somebody else's is gone")
	}
	sticky := exported("a", tcp, pods("west", "10.2.0.1"))
	sticky.Traits = model.Traits{ClientIP: true, AffinitySeconds: 10, Families: []model.Family{model.IPv6, model.IPv4}}
	r.show(view(apart, sticky), true)
	await(t, "clients keep their endpoint", func() bool {
		spec := r.service(t).Spec
		return spec.SessionAffinity == corev1.ServiceAffinityClientIP && *spec.SessionAffinityConfig.ClientIP.TimeoutSeconds == 10
	})
	if now := r.service(t).Spec; len(now.ClusterIPs) != 2 || now.ClusterIP != made.Spec.ClusterIP {
		t.Errorf("addresses %v, want one of each family, and the first one as before", now.ClusterIPs)
	}
	r.show(all, true)
	await(t, "clients keep it no more", func() bool {
		spec := r.service(t).Spec
		return spec.SessionAffinity == corev1.ServiceAffinityNone && spec.SessionAffinityConfig == nil
	})
	r.show(view(apart), false)
	r.show(view(apart, exported("b", tcp, pods("west", "10.2.0.1"))), false)
	await(t, "another one comes", func() bool {
		_, err := r.kube.CoreV1().Services("demo").Get(t.Context(), Name(key("b", 80).Service), metav1.GetOptions{})
		return err == nil
	})
	if now := r.service(t); now == nil || now.Spec.ClusterIP != made.Spec.ClusterIP {
		t.Error("it is gone though its exporters are not known yet")
	}
	headless := exported("a", tcp, pods("west", "10.2.0.1"))
	headless.Type = model.Headless
	slices := func() int {
		list, err := r.kube.DiscoveryV1().EndpointSlices("demo").List(t.Context(), metav1.ListOptions{LabelSelector: "multicluster.kubernetes.io/service-name=a"})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	r.show(view(apart, headless), true)
	await(t, "without an address it has slices alone", func() bool { return r.service(t) == nil && slices() == 1 })
	r.show(view(apart), false)
	r.show(view(apart, headless), true)
	r.show(view(apart), true)
	await(t, "it goes when nobody exports it", func() bool { return r.service(t) == nil && slices() == 0 && leads("", 0) })
}
