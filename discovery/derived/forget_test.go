package derived

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestSmallPassesForgetNothing: after any acts a Writer that knows nothing of before, and
// looks at everything, finds nothing to do. It also comes to the same ports of the gateway.
func TestSmallPassesForgetNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t)
				m.watch(t)
				acts := &acts{memory: m, random: rand.New(rand.NewPCG(seed, 1))}
				for range 12 {
					stop := m.write(t)
					for range 1 + acts.random.IntN(8) {
						done := acts.one()
						if acts.random.IntN(2) == 0 {
							after(time.Duration(acts.random.IntN(300)) * time.Millisecond)
						}
						t.Log(done)
					}
					m.api.Do(func() { m.api.Intercept = nil })
					after(2 * mostPause)
					stop()
					before := m.requests()
					if err := m.newWriter().Once(t.Context()); err != nil {
						t.Fatal(err)
					}
					m.api.Do(func() {
						if asked := m.api.Requests[before:]; len(asked) > 0 {
							t.Fatalf("a new Writer asks for %q", asked)
						}
					})
				}
			})
		})
	}
}

// acts changes a mesh at random.
type acts struct {
	*memory
	random *rand.Rand
}

func (a *acts) pick(from ...string) string { return from[a.random.IntN(len(from))] }

// one does something, and says what.
func (a *acts) one() string {
	switch a.random.IntN(9) {
	case 0, 1, 2:
		one := a.service()
		a.tell(put(one))
		return fmt.Sprintf("%s is exported with %v by %v", one.Key, one.Ports, one.Exporters)
	case 3:
		name := a.pick("a", "b", "c", "d")
		a.tell(drop(name))
		return name + " is exported no more"
	case 4:
		return a.edit()
	case 5:
		addresses := [][]string{{"10.1.0.9"}, {"10.1.0.10"}, {"10.1.0.9", "10.1.0.10"}}[a.random.IntN(3)]
		a.api.Put(gatewayPods(addresses...))
		return fmt.Sprint("gateways ", addresses)
	case 6:
		a.mu.Lock()
		a.complete, a.blind = a.random.IntN(3) > 0, a.random.IntN(3) == 0
		a.mu.Unlock()
		a.tell(func(*model.View) {})
		return fmt.Sprint("complete ", a.complete, ", blind ", a.blind)
	case 7:
		network := model.NetworkID(a.pick("n1", "n2"))
		a.tell(func(in *model.View) {
			in.Members = maps.Clone(in.Members)
			in.Members["north"] = &model.Member{Name: "north", Network: network}
		})
		return fmt.Sprint("north is on ", network)
	}
	return a.spoil()
}

func (a *acts) service() *model.Service {
	ports := slices.Clone([]model.Port{{Name: "tcp", Number: 80}, {Name: "more", Number: 81}}[:1+a.random.IntN(2)])
	one := exported(a.pick("a", "b", "c", "d"), ports)
	for _, from := range []model.MemberName{"north", "west"} {
		if a.random.IntN(2) == 0 {
			one.Exporters = append(one.Exporters, from)
			one.Backends = append(one.Backends, pods(from, netip.AddrFrom4([4]byte{10, 2, 0, byte(a.random.IntN(9))}).String()))
		}
	}
	one.Key.Namespace = a.pick("demo", "demo", "later")
	if a.random.IntN(6) == 0 {
		one.Type = model.Headless
	}
	return one
}

// edit is somebody who deletes an object of ours, or claims another port of the gateway.
func (a *acts) edit() string {
	path := a.pick(fakeapi.ServicePath, fakeapi.SlicePath, endpointsPath)
	var all []metav1.Object
	a.api.Do(func() {
		for _, at := range slices.Sorted(maps.Keys(a.api.Objects[path])) {
			if one := a.api.Objects[path][at]; one.GetNamespace() != "default" {
				all = append(all, one)
			}
		}
	})
	if len(all) == 0 {
		return "nothing is there to be edited"
	}
	one := all[a.random.IntN(len(all))]
	if service, isService := one.(*corev1.Service); isService && a.random.IntN(2) == 0 {
		service = service.DeepCopy()
		service.Spec.Ports[0].TargetPort = intstr.FromInt32(int32(firstPort + a.random.IntN(4)))
		a.api.Put(service)
		return fmt.Sprint(service.Name, " claims ", service.Spec.Ports[0].TargetPort.IntVal)
	}
	a.api.Delete(one)
	return "deleted by hand: " + path + " " + one.GetName()
}

// spoil has a namespace come or go, or some writes fail.
func (a *acts) spoil() string {
	switch a.random.IntN(3) {
	case 0:
		a.api.Put(space("later"))
		return "there is a namespace later"
	case 1:
		a.api.Delete(space("later"))
		return "there is no namespace later"
	}
	of := a.pick("services", "endpointslices", "endpoints/")
	a.api.Do(func() {
		a.api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			fails := r.Method != http.MethodGet && strings.Contains(r.URL.Path, of)
			if fails {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return fails
		}
	})
	return "writes fail of " + of
}
