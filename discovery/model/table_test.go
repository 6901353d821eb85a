package model

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// TestTableIsAMap compares with Go's map over random changes, and sees that
// earlier ones stay as they were.
func TestTableIsAMap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var services []Services
	var wants []map[ServiceKey]*Service
	services, wants = append(services, Services{}), append(wants, map[ServiceKey]*Service{})
	for range 60 {
		different := map[ServiceKey]*Service{}
		for range random.IntN(2000) {
			key := ServiceKey{Namespace: "ns", Name: fmt.Sprint(random.IntN(9000))}
			different[key] = nil
			if random.IntN(3) > 0 {
				different[key] = &Service{Key: key}
			}
		}
		want := maps.Clone(wants[len(wants)-1])
		for key, service := range different {
			if service == nil {
				delete(want, key)
			} else {
				want[key] = service
			}
		}
		services = append(services, services[len(services)-1].With(different))
		wants = append(wants, want)
	}
	for i := range services {
		got := map[ServiceKey]*Service{}
		for service := range services[i].All() {
			got[service.Key] = service
		}
		if !maps.Equal(got, wants[i]) || services[i].Len() != len(wants[i]) {
			t.Fatalf("revision %d has %d services (%d said), want %d", i, len(got), services[i].Len(), len(wants[i]))
		}
		for key, service := range wants[i] {
			if services[i].Get(key) != service {
				t.Fatalf("revision %d: %s is another one", i, key)
			}
		}
		if services[i].Get(ServiceKey{Namespace: "ns", Name: "none"}) != nil {
			t.Fatalf("revision %d has what nobody put in", i)
		}
	}
}

func TestAllStopsWhenAsked(t *testing.T) {
	t.Parallel()
	different := map[ServiceKey]*Service{}
	for i := range 10 {
		key := ServiceKey{Name: fmt.Sprint(i)}
		different[key] = &Service{Key: key}
	}
	services := (&Services{}).With(different)
	seen := 0
	for range services.All() {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("saw %d services, want 1", seen)
	}
}
