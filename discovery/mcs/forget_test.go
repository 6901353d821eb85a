package mcs

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestSmallPassesForgetNothing: after any acts a Writer that knows nothing of before, and
// looks at everything, finds nothing to do.
func TestSmallPassesForgetNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t)
				acts := &acts{memory: m, random: rand.New(rand.NewPCG(seed, 1))}
				m.run(t)
				for range 12 {
					for range 1 + acts.random.IntN(8) {
						t.Log(acts.one())
						if acts.random.IntN(2) == 0 {
							after(time.Duration(acts.random.IntN(300)) * time.Millisecond)
						}
					}
					m.api.Do(func() { m.api.Intercept = nil })
					after(2 * again)
					m.findsNothing(t)
				}
			})
		})
	}
}

// findsNothing has a new Writer look at everything.
func (m *memory) findsNothing(t *testing.T) {
	t.Helper()
	other := &memory{api: m.api, writer: m.newWriter(m.writer.Client)}
	other.open(t)
	after(time.Second)
	before := m.requests()
	if err := other.writer.Once(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	other.writer.closeAll()
	m.api.Do(func() {
		if asked := m.api.Requests[before:]; len(asked) > 0 {
			t.Fatalf("a new Writer asks for %q", asked)
		}
	})
}

// acts changes a mesh at random.
type acts struct {
	*memory
	random *rand.Rand
}

func (a *acts) name() string { return string(rune('a' + a.random.IntN(4))) }

// with changes what the Writer is told beside the view, and wakes it.
func (a *acts) with(change func()) {
	a.mu.Lock()
	change()
	a.mu.Unlock()
	a.tell(func(*model.View) {})
}

// one does something, and says what.
func (a *acts) one() string {
	name := a.name()
	switch a.random.IntN(10) {
	case 0, 1:
		one := named(name, [][]model.MemberName{{"west"}, {"east"}, {"west", "east"}, {"north", "west"}}[a.random.IntN(4)]...)
		if a.random.IntN(3) == 0 {
			one.Type = model.Headless
		}
		one.Key.Namespace = [...]string{"shop", "shop", "later"}[a.random.IntN(3)]
		a.tell(put(one))
		return fmt.Sprintf("%s is exported by %v", one.Key, one.Exporters)
	case 2:
		a.tell(drop(name))
		return name + " is exported no more"
	case 3:
		a.api.Put(exportNamed(name))
		return "this cluster has a new export of " + name
	case 4:
		return a.edit()
	case 5:
		network := [...]model.NetworkID{"n1", "n2"}[a.random.IntN(2)]
		a.tell(func(in *model.View) {
			in.Members = maps.Clone(in.Members)
			in.Members["north"] = &model.Member{Name: "north", Network: network}
		})
		return fmt.Sprint("north is on ", network)
	case 6:
		a.with(func() { a.complete = a.random.IntN(3) > 0 })
		return fmt.Sprint("complete ", a.complete)
	case 7:
		return a.say(name)
	case 8:
		return a.touch()
	}
	a.api.Do(func() {
		a.api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return r.Method != http.MethodGet
		}
	})
	return "writes fail"
}

// say changes what is known of a name.
func (a *acts) say(name string) string {
	on := a.random.IntN(2) == 0
	set := func(what string, change func()) string {
		a.with(change)
		return fmt.Sprint(what, " of ", name, ": ", on)
	}
	switch a.random.IntN(3) {
	case 0:
		return set("a problem", func() {
			if a.problems = map[model.ServiceKey]Problem{}; on {
				a.problems[key(name)] = Problem{Reason: "r", Message: "m", Withheld: a.random.IntN(2) == 0}
			}
		})
	case 1:
		return set("no decision", func() {
			if a.unsettled = map[model.ServiceKey]time.Time{}; on {
				a.unsettled[key(name)] = time.Time{}
			}
		})
	}
	return set("endpoints without a name", func() {
		if a.unnamed = map[model.ServiceKey]int{}; on {
			a.unnamed[key(name)] = 1
		}
	})
}

// touch is what the rest of the agent reports: addresses and namespaces.
func (a *acts) touch() string {
	if a.random.IntN(2) == 0 {
		a.with(func() { a.address = netip.AddrFrom4([4]byte{10, 96, 0, byte(a.random.IntN(3))}) })
		for _, name := range []string{"a", "b", "c", "d"} {
			a.writer.Touched.Add(key(name), model.ServiceKey{Namespace: "later", Name: name})
		}
		return fmt.Sprint("the address is ", a.address)
	}
	a.with(func() { a.spaces["later"] = !a.spaces["later"] })
	a.writer.Touched.Add(model.ServiceKey{Namespace: "later"})
	return fmt.Sprint("there is a namespace later: ", a.spaces["later"])
}

// edit is somebody who deletes or changes an object, or another controller that begins or
// ceases to write imports.
func (a *acts) edit() string {
	path := [...]string{importPath, fakeapi.ExportPath}[a.random.IntN(2)]
	var all []metav1.Object
	a.api.Do(func() {
		for _, at := range slices.Sorted(maps.Keys(a.api.Objects[path])) {
			all = append(all, a.api.Objects[path][at])
		}
	})
	if len(all) == 0 || a.random.IntN(4) == 0 {
		theirs := byHand()
		theirs.SetName("theirs")
		theirs.SetLabels(map[string]string{"lighthouse.submariner.io/sourceName": "x"})
		a.api.Put(theirs)
		return "another controller writes an import"
	}
	one := all[a.random.IntN(len(all))]
	if object, isObject := one.(*unstructured.Unstructured); isObject && one.GetName() != "theirs" && a.random.IntN(2) == 0 {
		object = object.DeepCopy()
		delete(object.Object, "status")
		object.SetAnnotations(nil)
		a.api.Put(object)
		return "edited: " + path + " " + one.GetName()
	}
	a.api.Delete(one)
	return "deleted: " + path + " " + one.GetName()
}
