package derived

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestHolders compares with the rule as it is said, over random claims: one holder for
// each port, who keeps it as long as he claims it. What was handed on stays as it was.
func TestHolders(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	holders, claims := newHolders(), map[string]map[model.PortKey]uint16{}
	before := holders.now()
	for step := range 3000 {
		kept := maps.Clone(before.ports)
		name := fmt.Sprint("service-", random.IntN(6))
		claims[name] = map[model.PortKey]uint16{}
		for number := range uint16(random.IntN(3)) {
			claims[name][key(name, 80+number)] = firstPort + uint16(random.IntN(5))
		}
		holders.claim(types.NamespacedName{Name: name}, claims[name])
		now := holders.now()
		if !maps.Equal(kept, before.ports) {
			t.Fatalf("step %d: what was handed on was changed", step)
		}
		of := map[uint16]model.PortKey{}
		for port, number := range now.ports {
			if other, taken := of[number]; taken {
				t.Fatalf("step %d: %v and %v have %d", step, port, other, number)
			}
			of[number] = port
		}
		for _, all := range claims {
			for port, number := range all {
				if before.ports[port] == number && now.ports[port] != number {
					t.Fatalf("step %d: %v lost %d, which it claims", step, port, number)
				}
				if _, taken := of[number]; !taken {
					t.Fatalf("step %d: nobody has %d, which %v claims", step, number, port)
				}
			}
		}
		for port, number := range now.ports {
			if claims[port.Service.Name][port] != number || !now.taken.has(number) {
				t.Fatalf("step %d: %v has %d, which it does not claim, or it is not taken", step, port, number)
			}
		}
		before = now
	}
}

// TestPortsAreCopiedWhereTheyChanged: whoever reads them again gets the same map.
func TestPortsAreCopiedWhereTheyChanged(t *testing.T) {
	t.Parallel()
	holders := newHolders()
	at := types.NamespacedName{Name: "a"}
	holders.claim(at, map[model.PortKey]uint16{key("a", 80): firstPort})
	first := holders.now()
	holders.claim(at, map[model.PortKey]uint16{key("a", 80): firstPort})
	holders.claim(types.NamespacedName{Name: "b"}, map[model.PortKey]uint16{key("b", 80): firstPort})
	if holders.now() != first {
		t.Error("copied though nobody has another port")
	}
	holders.claim(at, nil)
	if now := holders.now(); now == first || now.ports[key("b", 80)] != firstPort || first.ports[key("a", 80)] != firstPort {
		t.Errorf("now %v, before %v", now.ports, first.ports)
	}
}

// TestAllocator: what is given is the lowest that nobody has, up to the last one, and
// what is given back is given again.
func TestAllocator(t *testing.T) {
	t.Parallel()
	free, claimed := newAllocator(), newHolders()
	claimed.claim(types.NamespacedName{Name: "other"}, map[model.PortKey]uint16{key("other", 1): firstPort + 1, key("other", 2): lastPort})
	free.seen = claimed.now()
	var all []servicePort
	for number := range uint16(lastPort - firstPort + 1) {
		port := free.take(key("a", number))
		switch want := firstPort + number; {
		case number == 0 && port != firstPort, number > 0 && number < lastPort-firstPort-1 && port != want+1, number >= lastPort-firstPort-1 && port != 0:
			t.Fatalf("number %d is given %d", number, port)
		}
		all = append(all, servicePort{model.Port{Number: number}, port})
	}
	if !free.exhausted() {
		t.Error("there is more than it gives")
	}
	service := key("a", 0).Service
	free.remember(service, all)
	free.remember(service, append(all[:50:50], all[51:]...))
	if port := free.take(key("b", 80)); port != all[50].target || free.has(key("a", 50)) != 0 || free.has(key("a", 49)) != all[49].target {
		t.Errorf("given %d, want %d which was given back", port, all[50].target)
	}
	claimed.claim(types.NamespacedName{Name: "hijacker"}, map[model.PortKey]uint16{key("z", 80): all[49].target})
	if free.seen = claimed.now(); free.has(key("a", 49)) != 0 || free.has(key("z", 80)) != all[49].target {
		t.Error("what the cluster says does not win")
	}
	free.remember(key("z", 80).Service, []servicePort{{model.Port{Number: 80}, all[49].target}})
	free.remember(key("z", 80).Service, nil)
	claimed.claim(types.NamespacedName{Name: "hijacker"}, nil)
	free.seen = claimed.now()
	if port := free.take(key("c", 80)); port != all[49].target || free.has(key("a", 49)) != 0 {
		t.Errorf("c is given %d, want %d which whoever lost it has no more", port, all[49].target)
	}
}

// TestWhoWaitsForAPortGetsOne: once another service has given it back, though nothing is
// said of the one that waits.
func TestWhoWaitsForAPortGetsOne(t *testing.T) {
	t.Parallel()
	var every []model.Port
	for number := range uint16(lastPort - firstPort + 1) {
		every = append(every, model.Port{Name: fmt.Sprint("p", number), Number: 1 + number})
	}
	for what, change := range map[string]func(*model.View){
		"one port less": put(exported("a", every[1:], pods("west", "10.2.0.1"))),
		"one service":   drop("a"),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t, exported("a", every, pods("west", "10.2.0.1")), exported("b", tcp, pods("west", "10.2.0.2")))
				m.watch(t)
				m.write(t)
				after(time.Second)
				name := Name(key("b", 80).Service)
				if m.object(fakeapi.ServicePath, "demo", name) != nil {
					t.Fatal("it has a port where there is none")
				}
				m.tell(change)
				after(time.Second)
				made, isService := m.object(fakeapi.ServicePath, "demo", name).(*corev1.Service)
				if !isService || made.Spec.Ports[0].TargetPort.IntValue() != firstPort {
					t.Errorf("it still waits: %+v", made)
				}
			})
		})
	}
}
