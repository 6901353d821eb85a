package mcs

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// key names a service of namespace shop.
func key(name string) model.ServiceKey { return model.ServiceKey{Namespace: "shop", Name: name} }

// looked is what a pass of the Writer would look at now, by name.
func (m *memory) looked() string {
	synctest.Wait()
	now := m.writer.now()
	due, all := m.writer.take(now)
	var names []string
	for one := range m.writer.open[0].take(now.view, due, all) {
		if one.Name != "" {
			names = append(names, one.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestAPassLooksAtWhatChanged is what makes a change cost what it changes. There are a
// and b, of which this cluster exports b, z whose namespace is not there, and an import
// x that somebody made.
func TestAPassLooksAtWhatChanged(t *testing.T) {
	t.Parallel()
	const all = "a b x z"
	show := func(change func(*model.View)) func(*memory) { return func(m *memory) { m.tell(change) } }
	member := func(change func(*model.Member)) func(*memory) {
		return show(func(in *model.View) {
			other := *in.Members["west"]
			change(&other)
			in.Members = maps.Clone(in.Members)
			in.Members["west"] = &other
		})
	}
	for name, tc := range map[string]struct {
		act  func(*memory)
		want string
	}{
		"nothing":                   {func(*memory) {}, ""},
		"a service is another":      {show(put(named("a", "west"))), "a"},
		"one more service":          {show(put(named("c", "west"))), "c"},
		"one less":                  {show(drop("a")), "a"},
		"an import was deleted":     {func(m *memory) { m.api.Delete(m.object(importPath, "a")) }, "a"},
		"an export was edited":      {func(m *memory) { m.api.Put(exportNamed("b")) }, "b"},
		"an export comes":           {func(m *memory) { m.api.Put(exportNamed("c")) }, "c"},
		"its address is another":    {func(m *memory) { m.writer.Touched.Add(key("b")) }, "b"},
		"a namespace came":          {func(m *memory) { m.writer.Touched.Add(model.ServiceKey{Namespace: "later"}) }, "z"},
		"a namespace went":          {func(m *memory) { m.writer.Touched.Add(model.ServiceKey{Namespace: "shop"}) }, "a b x"},
		"a problem":                 {func(m *memory) { m.problems = map[model.ServiceKey]Problem{key("b"): {Reason: "r"}} }, "b"},
		"it is not decided":         {func(m *memory) { m.unsettled = map[model.ServiceKey]time.Time{key("b"): {}} }, "b"},
		"an endpoint has no name":   {func(m *memory) { m.unnamed = map[model.ServiceKey]int{key("a"): 1} }, "a"},
		"a member on another net":   {member(func(m *model.Member) { m.Network = "n3" }), all},
		"a member's region":         {member(func(m *model.Member) { m.Region = "r" }), all},
		"a member's state":          {member(func(m *model.Member) { m.State = model.Degraded }), ""},
		"not all is known any more": {func(m *memory) { m.complete = false }, all},
		"one has failed":            {func(m *memory) { m.writer.open[0].due.Fail(key("a"), errors.New("broken")) }, ""},
		"one has failed, and it is its turn": {func(m *memory) {
			m.writer.open[0].due.Fail(key("a"), errors.New("broken"))
			m.writer.retry()
		}, "a"},
		"another replica wrote meanwhile": {func(m *memory) { m.writer.Touched.AddAll() }, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				elsewhere := named("z", "west")
				elsewhere.Key.Namespace = "later"
				m := newMemory(t, named("a", "west"), named("b", "east", "west"), elsewhere)
				made := byHand()
				made.SetName("x")
				m.api.Put(exportNamed("b"), made)
				m.open(t)
				m.quiet(t, func() { after(time.Second) })
				tc.act(m)
				if diff := cmp.Diff(tc.want, m.looked()); diff != "" {
					t.Errorf("looked at, -want +got\n%s", diff)
				}
			})
		})
	}
}

// TestOneOfManyCostsOne: where a thousand services are, a change of one sends what is
// of that one.
func TestOneOfManyCostsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, many(1000)...)
		m.run(t)
		after(time.Second)
		before := m.requests()
		one := named("service-1", "west")
		one.Traits.Labels = map[string]string{"team": "another"}
		m.tell(put(one))
		after(time.Second)
		m.api.Do(func() {
			asked := m.api.Requests[before:]
			if len(asked) != 1 || !strings.Contains(asked[0], "/service-1?") {
				t.Errorf("asked for %q, want one import", asked)
			}
		})
	})
}

// TestATermBeginsWithEverything: what changes while another replica writes is not noted.
func TestATermBeginsWithEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, named("a", "west"))
		stop := m.run(t)
		after(time.Second)
		stop()
		m.writer.Touched.Add(key("b"))
		if keys, all := m.writer.Touched.Take(); !all || len(keys) > 0 {
			t.Errorf("it begins with %v", keys)
		}
	})
}

// TestWhatIsReportedDuringAPassIsNotLost: a pass that begins to withdraw looks at all,
// and the import of the other controller that goes meanwhile is looked at by the next.
func TestWhatIsReportedDuringAPassIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		theirs := byHand()
		theirs.SetName("theirs")
		m := newMemory(t, named("a", "west"))
		m.open(t)
		m.quiet(t, func() { after(time.Second) })
		m.api.Put(theirs)
		synctest.Wait()
		in, now := m.writer.open[0], m.writer.now()
		keys := in.take(now.view, nil, false)
		m.api.Delete(theirs)
		synctest.Wait()
		if err := m.writer.bring(t.Context(), in, keys, "Submariner", now, metav1.Now()); err != nil {
			t.Fatal(err)
		}
		if m.object(importPath, "a") != nil {
			t.Error("ours was not withdrawn")
		}
		if left, _ := in.due.Take(); len(left) == 0 {
			t.Error("nobody looks at theirs again")
		}
	})
}
