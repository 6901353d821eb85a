package conformance

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// flaw is what a simulated implementation does wrong; its zero value is flawless.
type flaw struct {
	// spoil changes imports, slices and conditions of exports before they are written.
	spoil      func(*mcs.ServiceImport)
	spoilSlice func(*discoveryv1.EndpointSlice)
	condition  func(*metav1.Condition)
	// keeps leaves imports, keepsSlices slices, when the last export is withdrawn; early
	// takes imports away with the first.
	keeps, keepsSlices, early bool
	// anyType imports what cannot be exported.
	anyType bool
	// youngest lets the youngest export decide; mixed joins labels.
	youngest, mixed bool
	// answers changes what a name has, calls who answers a port: the addresses of pods.
	answers func(kind, name string, all []string) []string
	calls   func(s *set, namespace string, port int, pods []string) []string
}

// set is a simulated clusterset: API objects in fake clients, an implementation that
// looks at them every second, and pods that answer exec.
type set struct {
	flaw
	clusters []*cluster

	// mu guards what is below.
	mu sync.Mutex
	// since is when an export was first seen, numbers gives out addresses, written is
	// what was written last: a write of a fake costs much.
	since   map[string]time.Time
	written map[string]any
	numbers int
}

type cluster struct {
	name string
	kube *kubefake.Clientset
	dyn  *dynamicfake.FakeDynamicClient
}

// exported is one cluster's part of a service.
type exported struct {
	from    *cluster
	service corev1.Service
	export  mcs.ServiceExport
	since   time.Time
	pods    []corev1.Pod
}

func newSet(f flaw, names ...string) *set {
	s := &set{flaw: f, since: map[string]time.Time{}, written: map[string]any{}}
	for _, name := range names {
		// Without managed fields: to keep these is most of what a fake costs.
		c := &cluster{name: name, kube: &kubefake.Clientset{}}
		c.kube.AddReactor("*", "*", clienttesting.ObjectReaction(clienttesting.NewObjectTracker(scheme.Scheme, scheme.Codecs.UniversalDecoder())))
		c.dyn = dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
			exports: "ServiceExportList", imports: "ServiceImportList",
		})
		c.kube.PrependReactor("create", "services", s.giveAddress)
		c.kube.PrependReactor("create", "pods", startPod)
		s.clusters = append(s.clusters, c)
	}
	return s
}

func (s *set) members() []Member {
	all := make([]Member, len(s.clusters))
	for i, c := range s.clusters {
		all[i] = Member{Name: c.name, Version: "v1.99.0", Kube: c.kube, Dynamic: c.dyn, Exec: s.exec(c)}
	}
	return all
}

func (s *set) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers++
	return fmt.Sprintf("10.0.%d.%d", s.numbers/200, s.numbers%200+1)
}

// giveAddress does what an API server does for a Service.
func (s *set) giveAddress(action clienttesting.Action) (bool, runtime.Object, error) {
	service := action.(clienttesting.CreateAction).GetObject().(*corev1.Service)
	if service.Spec.ClusterIP == "" && service.Spec.Type != corev1.ServiceTypeExternalName {
		service.Spec.ClusterIP = s.address()
		service.Spec.ClusterIPs = []string{service.Spec.ClusterIP}
	}
	return false, nil, nil
}

func startPod(action clienttesting.Action) (bool, runtime.Object, error) {
	pod := action.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
	pod.Status.Phase = corev1.PodRunning
	return false, nil, nil
}

// run looks at the objects until ctx ends.
func (s *set) run(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		for _, c := range s.clusters {
			s.startPods(ctx, t, c)
		}
		for _, namespace := range s.namespaces(ctx, t) {
			s.reconcile(ctx, t, namespace)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// unchanged reports whether this was written last under a key, and remembers it.
func (s *set) unchanged(key string, object any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := reflect.DeepEqual(s.written[key], object)
	s.written[key] = object
	return same
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func (s *set) namespaces(ctx context.Context, t *testing.T) []string {
	list, err := s.clusters[0].kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	check(t, err)
	var all []string
	for _, one := range list.Items {
		all = append(all, one.Name)
	}
	return all
}

// startPods does what Kubernetes' own controllers and the kubelet do.
func (s *set) startPods(ctx context.Context, t *testing.T, c *cluster) {
	start := func(meta metav1.ObjectMeta, replicas int32) {
		for i := range replicas {
			name := fmt.Sprintf("%s-%d", meta.Name, i)
			if _, err := c.kube.CoreV1().Pods(meta.Namespace).Get(ctx, name, metav1.GetOptions{}); err == nil {
				continue
			}
			_, err := c.kube.CoreV1().Pods(meta.Namespace).Create(ctx, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": helloName}},
				Status: corev1.PodStatus{
					PodIPs:     []corev1.PodIP{{IP: s.address()}},
					Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
				},
			}, metav1.CreateOptions{})
			check(t, err)
		}
	}
	deployments, err := c.kube.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	check(t, err)
	for _, one := range deployments.Items {
		start(one.ObjectMeta, *one.Spec.Replicas)
	}
	sets, err := c.kube.AppsV1().StatefulSets("").List(ctx, metav1.ListOptions{})
	check(t, err)
	for _, one := range sets.Items {
		start(one.ObjectMeta, *one.Spec.Replicas)
	}
}

// exporters are the parts of hello in a namespace, the deciding one first.
func (s *set) exporters(ctx context.Context, t *testing.T, namespace string) []exported {
	var all []exported
	for _, c := range s.clusters {
		object, err := c.dyn.Resource(exports).Namespace(namespace).Get(ctx, helloName, metav1.GetOptions{})
		if err != nil {
			continue
		}
		one := exported{from: c}
		check(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &one.export))
		service, err := c.kube.CoreV1().Services(namespace).Get(ctx, helloName, metav1.GetOptions{})
		check(t, err)
		one.service = *service
		pods, err := c.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + helloName})
		check(t, err)
		one.pods = pods.Items
		s.mu.Lock()
		key := c.name + "/" + namespace
		if s.since[key].IsZero() {
			s.since[key] = time.Now()
		}
		one.since = s.since[key]
		s.mu.Unlock()
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b exported) int {
		if s.youngest {
			a, b = b, a
		}
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.from.name, b.from.name))
	})
	return all
}

// reconcile is the implementation: it writes the conditions of exports, the imports
// and the slices of one namespace.
func (s *set) reconcile(ctx context.Context, t *testing.T, namespace string) {
	all := s.exporters(ctx, t, namespace)
	valid := slices.DeleteFunc(slices.Clone(all), func(e exported) bool {
		return e.service.Spec.Type == corev1.ServiceTypeExternalName && !s.anyType
	})
	for _, one := range all {
		s.writeConditions(ctx, t, one, valid)
	}
	alive := len(valid) > 0
	if s.early {
		alive = slices.ContainsFunc(valid, func(e exported) bool { return e.from == s.clusters[0] })
	}
	for _, c := range s.clusters {
		if alive {
			s.unchanged("alive "+c.name+namespace, true)
			s.writeImport(ctx, t, c, namespace, valid)
			s.writeSlices(ctx, t, c, namespace, valid)
			continue
		}
		if had := s.unchanged("alive "+c.name+namespace, false); !had {
			s.withdraw(ctx, t, c, namespace)
		}
	}
}

func (s *set) withdraw(ctx context.Context, t *testing.T, c *cluster, namespace string) {
	if !s.keeps {
		err := c.dyn.Resource(imports).Namespace(namespace).Delete(ctx, helloName, metav1.DeleteOptions{})
		if !apierrors.IsNotFound(err) {
			check(t, err)
		}
	}
	list, err := c.kube.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{})
	check(t, err)
	for _, one := range list.Items {
		if !s.keepsSlices {
			check(t, c.kube.DiscoveryV1().EndpointSlices(namespace).Delete(ctx, one.Name, metav1.DeleteOptions{}))
		}
	}
}
