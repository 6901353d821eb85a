package derived

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestWhatIsThereFollowsMembersAndGateways: what concerns all reaches all, though no
// service has changed.
func TestWhatIsThereFollowsMembersAndGateways(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, exported("a", tcp, pods("west", "10.2.0.1")), exported("b", tcp, pods("north", "10.2.0.2")))
		m.watch(t)
		m.write(t)
		after(time.Second)
		if got := m.addresses("a"); got != "10.1.0.9" {
			t.Fatalf("a leads to %q", got)
		}
		m.api.Put(gatewayPods("10.1.0.10"))
		after(0)
		if got := m.addresses("a"); got != "10.1.0.10" {
			t.Errorf("a leads to %q though the gateway is another pod", got)
		}
		m.tell(func(in *model.View) {
			in.Members = map[model.MemberName]*model.Member{"east": in.Members["east"], "north": {Name: "north", Network: "n2"}, "west": {Name: "west", Network: "n1"}}
		})
		after(0)
		if a, b := m.addresses("a"), m.addresses("b"); a != "10.2.0.1" || b != "10.1.0.10" {
			t.Errorf("a leads to %q and b to %q though they changed networks", a, b)
		}
	})
}

// TestWhatIsDeletedByHandComesBack: each object of its own, with nothing else going on.
func TestWhatIsDeletedByHandComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, exported("b", tcp, pods("north", "10.2.0.2")))
		m.watch(t)
		m.write(t)
		after(time.Second)
		for path, name := range map[string]string{
			fakeapi.ServicePath: Name(key("b", 80).Service), endpointsPath: Name(key("b", 80).Service),
			fakeapi.SlicePath: Name(key("b", 80).Service) + "-north-ipv4-0",
		} {
			seen := m.object(path, "demo", name)
			if seen == nil {
				t.Fatalf("%s: it was never there", path)
			}
			m.api.Delete(seen)
			after(0)
			if m.object(path, "demo", name) == nil {
				t.Errorf("%s: it is gone", path)
			}
			edited := m.object(path, "demo", name).(interface{ DeepCopyObject() runtime.Object }).DeepCopyObject().(metav1.Object)
			edited.SetLabels(map[string]string{v1alpha1.LabelDerived: "true"})
			edited.SetAnnotations(nil)
			m.api.Put(edited)
			after(0)
			if now := m.object(path, "demo", name); len(now.GetLabels())+len(now.GetAnnotations()) < 2 {
				t.Errorf("%s: what it said is gone", path)
			}
		}
	})
}

// TestWhatFailsIsTriedAgain: though nothing else changes, and without more attempts than
// its pauses allow however much else changes. Of what could not be written nothing is
// taken away.
func TestWhatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, exported("a", tcp, pods("north", "10.2.0.1")), exported("b", tcp, pods("north", "10.2.0.2")))
		m.watch(t)
		m.write(t)
		after(time.Second)
		var attempts atomic.Int32
		var mended atomic.Bool
		m.api.Do(func() {
			m.api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPatch || !strings.HasSuffix(r.URL.Path, "/services/"+Name(key("a", 80).Service)) {
					return false
				}
				attempts.Add(1)
				if mended.Load() {
					return false
				}
				w.WriteHeader(http.StatusForbidden)
				return true
			}
		})
		m.tell(put(exported("a", []model.Port{{Name: "tcp", Number: 81}}, pods("north", "10.2.0.1"))))
		after(0)
		for range 50 {
			m.tell(put(exported("b", tcp, pods("north", "10.2.0.3"))))
			after(0)
		}
		if attempts.Load() != 1 || m.addresses("a") != "10.2.0.1" {
			t.Errorf("%d attempts while others changed, want 1; a leads to %q", attempts.Load(), m.addresses("a"))
		}
		after(mostPause)
		if count := attempts.Load(); count < 3 || count > 10 {
			t.Errorf("%d attempts within %s", count, mostPause)
		}
		mended.Store(true)
		after(mostPause)
		made, isService := m.object(fakeapi.ServicePath, "demo", Name(key("a", 80).Service)).(*corev1.Service)
		if !isService || made.Spec.Ports[0].Port != 81 {
			t.Errorf("it was given up: %+v", made)
		}
	})
}

// addresses are those that the slices of a service lead to.
func (m *memory) addresses(name string) string {
	var all []string
	m.api.Do(func() {
		for _, one := range m.api.Objects[fakeapi.SlicePath] {
			slice, isSlice := one.(*discoveryv1.EndpointSlice)
			if !isSlice || slice.Labels[discoveryv1.LabelServiceName] != Name(key(name, 80).Service) {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				all = append(all, endpoint.Addresses...)
			}
		}
	})
	slices.Sort(all)
	return strings.Join(all, " ")
}
