package derived

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

const endpointsPath = "/api/v1/endpoints"

// memory is a Writer on a cluster in memory, which has the namespace demo and a gateway.
type memory struct {
	api     *fakeapi.Server
	cluster *Cluster
	writer  *Writer
	wake    chan struct{}

	mu       sync.Mutex
	view     *model.View
	complete bool
	blind    bool
}

func newMemory(t testing.TB, services ...*model.Service) *memory {
	t.Helper()
	m := &memory{api: fakeapi.New(t), wake: make(chan struct{}, 1), complete: true}
	m.view = view(map[model.MemberName]model.NetworkID{"east": "n1", "north": "n1", "west": "n2"}, services...)
	m.api.Objects[endpointsPath] = map[string]metav1.Object{}
	m.api.Put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}, gatewayPods("10.1.0.9"))
	kube, err := kubernetes.NewForConfig(&rest.Config{
		Host: "http://own", Dial: m.api.Dial, QPS: -1, WarningHandler: rest.NoWarnings{},
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.cluster = NewCluster(kube, GatewayService{Namespace: "default", Name: "gateway"})
	m.writer = m.newWriter()
	return m
}

func gatewayPods(addresses ...string) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: "gateway", Labels: map[string]string{discoveryv1.LabelServiceName: "gateway"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: addresses}},
	}
}

// newWriter is one that knows nothing of what others did.
func (m *memory) newWriter() *Writer {
	return &Writer{
		Cluster: m.cluster, Own: "east", Log: slog.New(slog.DiscardHandler), Wakes: []<-chan struct{}{m.wake},
		View: func() (*model.View, bool) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.view, m.complete
		},
		Blind: func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.blind
		},
	}
}

// watch keeps the Cluster up until the test is over. What it returns ends it before.
func (m *memory) watch(t testing.TB) (stop func()) {
	t.Helper()
	return m.api.Beside(t, func(ctx context.Context) { _ = m.cluster.Run(ctx) })
}

// write runs the Writer.
func (m *memory) write(t testing.TB) (stop func()) {
	t.Helper()
	return m.api.Beside(t, m.writer.Run)
}

// tell changes the view.
func (m *memory) tell(change func(*model.View)) {
	m.mu.Lock()
	next := *m.view
	change(&next)
	m.view = &next
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// put has services be in the view.
func put(services ...*model.Service) func(*model.View) {
	return func(in *model.View) {
		different := map[model.ServiceKey]*model.Service{}
		for _, one := range services {
			different[one.Key] = one
		}
		in.Services = in.Services.With(different)
	}
}

// drop has a service of namespace demo be in it no more.
func drop(name string) func(*model.View) {
	return func(in *model.View) {
		in.Services = in.Services.With(map[model.ServiceKey]*model.Service{{Namespace: "demo", Name: name}: nil})
	}
}

// quiet has passes be made until one asks for nothing. It must be in a bubble, and the
// Writer not run.
func (m *memory) quiet(t *testing.T) {
	t.Helper()
	for range 20 {
		after(time.Second) // informers ask now and then whether they have everything
		before := m.requests()
		if err := m.writer.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, known := m.cluster.Ports(); known && m.requests() == before {
			return
		}
	}
	t.Fatal("passes without an end")
}

// requests counts all there were.
func (m *memory) requests() int { return m.api.Seen("") }

// object is what the API server has; nil where it has nothing.
func (m *memory) object(path, namespace, name string) metav1.Object {
	var found metav1.Object
	m.api.Do(func() { found = m.api.Objects[path][namespace+"/"+name] })
	return found
}

// after lets time go by in a bubble, and everything be done that is due.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
