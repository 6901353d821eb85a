package derived

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
