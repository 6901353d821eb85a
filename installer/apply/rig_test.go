package apply

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.Main(m)) }

// rig is one test's part of a real API server: a namespace and a set of its own.
type rig struct {
	*Applier
	kube      kubernetes.Interface
	namespace string
	writes    *writeLog
}

// newRig connects an applier and makes a namespace. Tests that use it may run at
// once, but for those that look at our bookkeeping namespace as a whole.
func newRig(t *testing.T, options Options) *rig {
	t.Helper()
	config := testapi.Config(t)
	log := &writeLog{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { log.next = next; return log })
	kube := must(kubernetes.NewForConfig(config))(t)
	options.Cluster = "east"
	options.Dynamic = must(dynamic.NewForConfig(config))(t)
	options.Mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery()))
	r := &rig{Applier: New(options), kube: kube, writes: log}
	r.namespace = r.newNamespace(t)
	t.Cleanup(func() { r.clean(t) })
	log.take()
	return r
}

// clean removes the test's sets, whose parents are in a namespace that all share.
func (r *rig) clean(t *testing.T) {
	ctx := context.Background()
	for _, name := range must(r.Sets(ctx))(t) {
		if !strings.HasPrefix(name, r.namespace) {
			continue
		}
		if err := r.Apply(ctx, must(r.Remove(ctx, name))(t), nil); err != nil {
			t.Error(err)
		}
	}
}

// withoutOurs makes sure that our bookkeeping namespace does not exist.
func (r *rig) withoutOurs(t *testing.T) {
	t.Helper()
	err := r.kube.CoreV1().Namespaces().Delete(t.Context(), Namespace, metav1.DeleteOptions{})
	if err == nil {
		testapi.Finish(t.Context(), t, r.kube, Namespace)
	} else if !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
}

// namespaces counts what newNamespace made, so that tests can run more than once.
var namespaces atomic.Int32

// newNamespace makes a namespace named after the test.
func (r *rig) newNamespace(t *testing.T) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", "_", "-").Replace(strings.ToLower(t.Name()))
	name = fmt.Sprintf("%s-%d", name[:min(len(name), 50)], namespaces.Add(1))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"test": name}}}
	must(r.kube.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}))(t)
	return name
}

// set is the test's own ApplySet.
func (r *rig) set(objects ...*unstructured.Unstructured) Set {
	return Set{Name: r.namespace, Objects: objects}
}

// run plans and applies a set and returns what it did, as "action Kind name".
func (r *rig) run(t *testing.T, set Set) []string {
	t.Helper()
	plan := must(r.Plan(t.Context(), set))(t)
	planned := actions(plan.Changes)
	var done []Change
	if err := r.Apply(t.Context(), plan, func(change Change) { done = append(done, change) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(planned, actions(done)) {
		t.Fatalf("planned %q, done %q", planned, actions(done))
	}
	return members(planned)
}

// members leaves out the two objects of our bookkeeping, which every set has.
func members(all []string) []string {
	return slices.DeleteFunc(all, func(one string) bool {
		return strings.Contains(one, " Namespace eastwest-system") || strings.Contains(one, " ConfigMap eastwest-")
	})
}

func actions(changes []Change) []string {
	var out []string
	for _, one := range changes {
		out = append(out, fmt.Sprintf("%s %s %s", one.Action, one.Kind, one.Name))
	}
	return out
}

// configMap is an object without controllers.
func (r *rig) configMap(name string, data map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": r.namespace}, "data": data,
	}}
}

// writeLog keeps the requests that may change a stored object.
type writeLog struct {
	next http.RoundTripper
	mu   sync.Mutex
	log  []string
}

func (w *writeLog) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet && request.URL.Query().Get("dryRun") == "" {
		w.mu.Lock()
		w.log = append(w.log, request.Method+" "+request.URL.Path)
		w.mu.Unlock()
	}
	return w.next.RoundTrip(request)
}

// take returns the writes since it was last called.
func (w *writeLog) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.log
	w.log = nil
	return taken
}

// versions are the resource versions of all that this package's tests write, in
// the test's namespace and in ours.
func (r *rig) versions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, namespace := range []string{r.namespace, Namespace} {
		for _, one := range must(r.kube.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{}))(t).Items {
			if namespace == r.namespace || one.Name == "eastwest-"+r.namespace {
				all[namespace+"/"+one.Name] = one.ResourceVersion
			}
		}
	}
	return maps.Clone(all)
}

// wantProblem requires one problem of a kind with a code and a text.
func wantProblem(t *testing.T, err error, kind problem.Kind, code, text string) {
	t.Helper()
	all := problem.All(err)
	if len(all) != 1 || all[0].Kind != kind || all[0].Code != code || !strings.Contains(all[0].Error(), text) || all[0].Cluster != "east" {
		t.Errorf("got %v (%+v), want a problem of kind %v, %s, on east, with %q", err, all, kind, code, text)
	}
}

// must unwraps a result whose error ends the test.
func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// as writes an object in another manager's name.
func (r *rig) as(ctx context.Context, t *testing.T, manager string, object *unstructured.Unstructured) {
	t.Helper()
	client := must(r.resource(object))(t)
	must(client.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: manager}))(t)
	r.writes.take()
}
