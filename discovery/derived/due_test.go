package derived

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// looked is what a pass of the Writer would look at now, by the names of services.
func (m *memory) looked(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	current, complete := m.writer.View()
	gateways, err := m.cluster.gatewayPods()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for at := range m.writer.take(&basis{view: current, complete: complete, blind: m.blind, gateways: gateways}) {
		if key, exported := m.writer.names[at]; exported {
			names = append(names, key.Name)
		} else if at.Name != "" {
			names = append(names, at.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestAPassLooksAtWhatChanged is what makes a change cost what it changes. There are a
// and b, through the gateway and through pods, and z whose namespace is not there.
func TestAPassLooksAtWhatChanged(t *testing.T) {
	t.Parallel()
	const all = "a b z"
	member := func(change func(*model.Member)) func(*testing.T, *memory) {
		return func(_ *testing.T, m *memory) {
			m.tell(func(in *model.View) {
				other := *in.Members["west"]
				change(&other)
				in.Members = maps.Clone(in.Members)
				in.Members["west"] = &other
			})
		}
	}
	show := func(change func(*model.View)) func(*testing.T, *memory) {
		return func(_ *testing.T, m *memory) { m.tell(change) }
	}
	edit := func(path, suffix string) func(*testing.T, *memory) {
		return func(t *testing.T, m *memory) {
			seen := m.object(path, "demo", Name(key("b", 80).Service)+suffix)
			if seen == nil {
				t.Fatal("there is no such object")
			}
			m.api.Delete(seen)
		}
	}
	for name, tc := range map[string]struct {
		act  func(*testing.T, *memory)
		want string
	}{
		"nothing":                   {func(*testing.T, *memory) {}, ""},
		"another endpoint":          {show(put(exported("b", tcp, pods("north", "10.2.0.9")))), "b"},
		"one more service":          {show(put(exported("c", tcp, pods("north", "10.2.0.9")))), "c"},
		"one less":                  {show(drop("b")), Name(key("b", 80).Service)},
		"a Service was deleted":     {edit(fakeapi.ServicePath, ""), "b"},
		"a slice was deleted":       {edit(fakeapi.SlicePath, "-north-ipv4-0"), "b"},
		"Endpoints were deleted":    {edit(endpointsPath, ""), "b"},
		"a member on another net":   {member(func(m *model.Member) { m.Network = "n3" }), all},
		"a member's region":         {member(func(m *model.Member) { m.Region = "r" }), all},
		"a member's state":          {member(func(m *model.Member) { m.State = model.Degraded }), ""},
		"another pod of a gateway":  {func(_ *testing.T, m *memory) { m.api.Put(gatewayPods("10.1.0.9", "10.1.0.10")) }, all},
		"the same pods":             {func(_ *testing.T, m *memory) { m.api.Put(gatewayPods("10.1.0.9")) }, ""},
		"not all is known any more": {func(_ *testing.T, m *memory) { m.complete = false }, all},
		"nothing is known of one":   {func(_ *testing.T, m *memory) { m.blind = true }, all},
		"a namespace comes":         {func(_ *testing.T, m *memory) { m.api.Put(space("later")) }, "z"},
		"a namespace goes":          {func(_ *testing.T, m *memory) { m.api.Delete(space("demo")) }, "a b"},
		"a namespace is going": {func(_ *testing.T, m *memory) {
			going := space("demo")
			going.Status.Phase = corev1.NamespaceTerminating
			m.api.Put(going)
		}, "a b"},
		"somebody labels a namespace": {func(_ *testing.T, m *memory) {
			labelled := space("demo")
			labelled.Labels = map[string]string{"some": "label"}
			m.api.Put(labelled)
		}, ""},
		"one has failed": {func(_ *testing.T, m *memory) {
			m.cluster.due.Fail(derivedName(key("a", 80).Service), errors.New("broken"))
		}, ""},
		"one has failed, and it is its turn": {func(_ *testing.T, m *memory) {
			m.cluster.due.Fail(derivedName(key("a", 80).Service), errors.New("broken"))
			m.cluster.due.Retry()
		}, "a"},
		"another replica wrote meanwhile": {func(_ *testing.T, m *memory) { m.cluster.due.AddAll() }, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				elsewhere := exported("z", tcp, pods("north", "10.2.0.3"))
				elsewhere.Key.Namespace = "later"
				m := newMemory(t, exported("a", tcp, pods("west", "10.2.0.1")), exported("b", tcp, pods("north", "10.2.0.2")), elsewhere)
				m.watch(t)
				m.quiet(t)
				tc.act(t, m)
				if diff := cmp.Diff(tc.want, m.looked(t)); diff != "" {
					t.Errorf("looked at, -want +got\n%s", diff)
				}
			})
		})
	}
}

func space(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// TestOneOfManyCostsOne: where a thousand services are, a change of one sends what is
// of that one.
func TestOneOfManyCostsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, many(1000)...)
		m.watch(t)
		m.write(t)
		after(time.Second)
		before := m.requests()
		m.tell(put(exported("service-1", tcp, pods("north", "10.3.0.1"))))
		after(0)
		// Its slice, and what kubectl get endpoints shows; once more where the watch of one
		// tells of it before that of the other does.
		m.api.Do(func() {
			asked := m.api.Requests[before:]
			if len(asked) < 2 || len(asked) > 4 {
				t.Errorf("%d requests, want 2", len(asked))
			}
			for _, one := range asked {
				if !strings.Contains(one, Name(key("service-1", 80).Service)) {
					t.Errorf("asked for %s", one)
				}
			}
		})
	})
}

// TestWhoReadsTheClusterIsTold of Services and namespaces: what else a writer has written
// is his alone.
func TestWhoReadsTheClusterIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, exported("b", tcp, pods("north", "10.2.0.2")))
		changed, touched := m.cluster.Changed(), m.cluster.Touched()
		m.watch(t)
		m.quiet(t)
		name := Name(key("b", 80).Service)
		told := func(act func()) string {
			after(time.Second)
			select {
			case <-changed:
			default:
			}
			touched.Take()
			act()
			after(time.Second)
			var text []string
			keys, _ := touched.Take()
			for one := range keys {
				text = append(text, one.String())
			}
			select {
			case <-changed:
				text = append(text, "changed")
			default:
			}
			return strings.Join(text, " ")
		}
		for what, tc := range map[string]struct {
			act  func()
			want string
		}{
			"a Service":   {func() { m.api.Delete(m.object(fakeapi.ServicePath, "demo", name)) }, "demo/b changed"},
			"a slice":     {func() { m.api.Delete(m.object(fakeapi.SlicePath, "demo", name+"-north-ipv4-0")) }, ""},
			"Endpoints":   {func() { m.api.Delete(m.object(endpointsPath, "demo", name)) }, ""},
			"a gateway":   {func() { m.api.Put(gatewayPods("10.1.0.10")) }, ""},
			"a namespace": {func() { m.api.Put(space("another")) }, "another/ changed"},
		} {
			if got := told(tc.act); got != tc.want {
				t.Errorf("%s: told of %q, want %q", what, got, tc.want)
			}
		}
	})
}

// TestATermBeginsWithEverything: what changes while another replica writes is not noted.
func TestATermBeginsWithEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, exported("a", tcp, pods("west", "10.2.0.1")))
		m.watch(t)
		stop := m.write(t)
		after(time.Second)
		stop()
		m.api.Put(space("other"))
		after(time.Second)
		if keys, all := m.cluster.due.Take(); !all || len(keys) > 0 {
			t.Errorf("it begins with %v", keys)
		}
	})
}

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
