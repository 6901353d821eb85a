package mcs

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

const importPath = "/apis/multicluster.x-k8s.io/v1beta1/serviceimports"

// memory is a Writer of member east on a cluster in memory, which serves the API of SIG
// Multicluster and has the namespaces that are in spaces.
type memory struct {
	api    *fakeapi.Server
	writer *Writer
	wake   chan struct{}

	mu        sync.Mutex
	seen      *model.View
	complete  bool
	problems  map[model.ServiceKey]Problem
	unsettled map[model.ServiceKey]time.Time
	unnamed   map[model.ServiceKey]int
	spaces    map[string]bool
	address   netip.Addr
}

// served says that one API is served.
type served struct {
	discovery.ServerResourcesInterfaceWithContext
}

func (served) ServerResourcesForGroupVersionWithContext(_ context.Context, version string) (*metav1.APIResourceList, error) {
	out := &metav1.APIResourceList{GroupVersion: version}
	if version == "multicluster.x-k8s.io/v1beta1" {
		out.APIResources = []metav1.APIResource{{Name: "serviceimports"}, {Name: "serviceexports"}}
	}
	return out, nil
}

func newMemory(t testing.TB, services ...*model.Service) *memory {
	t.Helper()
	m := &memory{
		api: fakeapi.New(t), wake: make(chan struct{}, 1), complete: true,
		spaces: map[string]bool{"shop": true}, address: netip.MustParseAddr("10.96.0.7"),
	}
	m.api.Objects[importPath] = map[string]metav1.Object{}
	m.seen = &model.View{Members: map[model.MemberName]*model.Member{
		"east": {Name: "east", Network: "n1"}, "north": {Name: "north", Network: "n1"}, "west": {Name: "west", Network: "n2"},
	}}
	put(services...)(m.seen)
	client, err := dynamic.NewForConfig(&rest.Config{Host: "http://own", Dial: m.api.Dial, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	m.writer = m.newWriter(client)
	return m
}

func (m *memory) newWriter(client dynamic.Interface) *Writer {
	return &Writer{
		Client: client, API: served{}, Own: "east", Mesh: "mesh", Log: slog.New(slog.DiscardHandler), Wakes: []<-chan struct{}{m.wake}, Touched: dirty.New[model.ServiceKey](make(chan struct{}, 1)),
		View: func() (*model.View, bool) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.seen, m.complete
		},
		Problems: func() map[model.ServiceKey]Problem {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.problems
		},
		Unsettled: func() map[model.ServiceKey]time.Time {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.unsettled
		},
		Vantage: func(own *model.Member) Vantage {
			m.mu.Lock()
			defer m.mu.Unlock()
			return Vantage{Own: own, Unnamed: m.unnamed, Derived: func(model.ServiceKey) (string, []netip.Addr) {
				m.mu.Lock()
				defer m.mu.Unlock()
				return "derived-x", []netip.Addr{m.address}
			}}
		},
		Namespace: func(name string) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.spaces[name]
		},
	}
}

// open watches the APIs until the test is over, without the Writer being run.
func (m *memory) open(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m.writer.wake = make(chan struct{}, 1)
	m.writer.openServed(ctx)
	t.Cleanup(func() {
		m.writer.closeAll()
		cancel()
		m.api.Cut()
	})
}

// run runs the Writer until the test is over. What it returns ends it before.
func (m *memory) run(t testing.TB) (stop func()) {
	t.Helper()
	return m.api.Beside(t, m.writer.Run)
}

// tell changes the view.
func (m *memory) tell(change func(*model.View)) {
	m.mu.Lock()
	next := *m.seen
	change(&next)
	m.seen = &next
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

// drop has a service of namespace shop be in it no more.
func drop(name string) func(*model.View) {
	return func(in *model.View) {
		in.Services = in.Services.With(map[model.ServiceKey]*model.Service{{Namespace: "shop", Name: name}: nil})
	}
}

// named is a service of namespace shop.
func named(name string, exporters ...model.MemberName) *model.Service {
	one := cart(exporters...)
	one.Key.Name = name
	return one
}

// exportNamed is a ServiceExport of namespace shop.
func exportNamed(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport",
		"metadata": map[string]any{"namespace": "shop", "name": name},
	}}
}

// quiet has passes be made until one asks for nothing.
func (m *memory) quiet(t testing.TB, wait func()) {
	t.Helper()
	for range 50 {
		wait()
		before := m.requests()
		if err := m.writer.Once(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if m.writer.open[0].known() && m.requests() == before {
			return
		}
	}
	t.Fatal("passes without an end")
}

// requests counts all there were.
func (m *memory) requests() int { return m.api.Seen("") }

// after lets time go by in a bubble, and everything be done that is due.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
