package mcs

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestWhatIsDeletedOrEditedByHandComesBack with nothing else going on.
func TestWhatIsDeletedOrEditedByHandComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, named("a", "east", "west"))
		m.api.Put(exportNamed("a"))
		m.run(t)
		after(time.Second)
		m.api.Delete(m.object(importPath, "a"))
		after(time.Second)
		edited := m.object(importPath, "a")
		if edited == nil {
			t.Fatal("the import is gone")
		}
		edited = edited.(*unstructured.Unstructured).DeepCopy()
		edited.(*unstructured.Unstructured).Object["spec"] = map[string]any{"type": "Headless"}
		m.api.Put(edited, exportNamed("a"))
		after(time.Second)
		if kind, _, _ := unstructured.NestedString(m.object(importPath, "a").(*unstructured.Unstructured).Object, "spec", "type"); kind != "ClusterSetIP" {
			t.Errorf("the import's type is %q", kind)
		}
		if now := m.object(fakeapi.ExportPath, "a"); len(conditionsOf(now.(*unstructured.Unstructured))) == 0 || len(now.GetAnnotations()) == 0 {
			t.Error("the export says nothing")
		}
	})
}

// TestWhatConcernsAllReachesAll: imports follow members, though no service has changed.
func TestWhatConcernsAllReachesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, named("a", "north"))
		m.run(t)
		after(time.Second)
		present := func() string {
			text, _, _ := unstructured.NestedString(m.object(importPath, "a").(*unstructured.Unstructured).Object, "status", "endpointSliceObjects")
			return text
		}
		before := present()
		m.tell(func(in *model.View) {
			in.Members = maps.Clone(in.Members)
			in.Members["north"] = &model.Member{Name: "north", Network: "n2"}
		})
		after(time.Second)
		if now := present(); before != "Present" || now != "Absent" {
			t.Errorf("slices are said to be %s, then %s", before, now)
		}
	})
}

// TestWhatFailsIsTriedAgain: though nothing else changes, and not with every other
// change. As long as it is refused that is told.
func TestWhatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, named("a", "west"), named("b", "west"))
		var attempts atomic.Int32
		var mended atomic.Bool
		m.api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPatch || !strings.HasSuffix(r.URL.Path, "/serviceimports/a") {
				return false
			}
			attempts.Add(1)
			if mended.Load() {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		m.run(t)
		after(time.Second)
		attempts.Store(0)
		for range 50 {
			m.tell(put(named("b", "west")))
			after(time.Millisecond)
		}
		if said, _ := m.writer.Standing(); attempts.Load() != 0 || !strings.Contains(said.Denied, "/a") {
			t.Errorf("%d attempts while others changed; it is said to be denied: %q", attempts.Load(), said.Denied)
		}
		after(3 * again)
		if count := attempts.Load(); count < 2 || count > 3 {
			t.Errorf("%d attempts within %s", count, 3*again)
		}
		mended.Store(true)
		after(2 * again)
		if said, _ := m.writer.Standing(); m.object(importPath, "a") == nil || said.Denied != "" {
			t.Errorf("it was given up, or is said to be denied: %q", said.Denied)
		}
	})
}

// object is what the API server has of a name of namespace shop; nil where it has nothing.
func (m *memory) object(path, name string) metav1.Object {
	var found metav1.Object
	m.api.Do(func() { found = m.api.Objects[path]["shop/"+name] })
	return found
}

// silent answers nothing before it is given up.
type silent struct {
	discovery.ServerResourcesInterfaceWithContext
	asked atomic.Int64
}

func (s *silent) ServerResourcesForGroupVersionWithContext(ctx context.Context, _ string) (*metav1.APIResourceList, error) {
	s.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestATermEndsThoughNobodyAnswers: which APIs are served is asked with a limit, and no
// longer than the term lasts.
func TestATermEndsThoughNobodyAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, api := newMemory(t), &silent{}
		m.writer.API = api
		stop := m.run(t)
		after(patience - time.Second)
		if asked := api.asked.Load(); asked != 1 {
			t.Errorf("asked %d times before the first is given up", asked)
		}
		after(2 * time.Second)
		if asked := api.asked.Load(); asked != 2 {
			t.Errorf("asked %d times, want the other dialect to have its turn", asked)
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("it ended %s later", took)
		}
	})
}
