package model

import (
	"fmt"
	"iter"
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
	differences(t, services, wants)
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

// differences compares tables with each other, near ones and far ones, in both directions.
func differences(t *testing.T, tables []Services, wants []map[ServiceKey]*Service) {
	t.Helper()
	for i := range tables {
		for _, j := range []int{i, (i + 1) % len(tables), 0} {
			want := map[ServiceKey]int{}
			for _, both := range []map[ServiceKey]*Service{wants[i], wants[j]} {
				for key := range both {
					if wants[i][key] != wants[j][key] {
						want[key] = 1
					}
				}
			}
			got, back := map[ServiceKey]int{}, map[ServiceKey]int{}
			for key := range tables[i].Different(&tables[j]) {
				got[key]++
			}
			for key := range tables[j].Different(&tables[i]) {
				back[key]++
			}
			if !maps.Equal(got, want) || !maps.Equal(back, want) {
				t.Fatalf("revisions %d and %d differ at %d keys, backwards %d, want %d, each once", i, j, len(got), len(back), len(want))
			}
		}
	}
}

// TestDifferentPassesOverWhatIsShared: buckets that two tables share are not read. All
// of their services are given one name, so that reading them finds many that differ.
func TestDifferentPassesOverWhatIsShared(t *testing.T) {
	t.Parallel()
	different := map[ServiceKey]*Service{}
	for i := range 5000 {
		key := ServiceKey{Name: fmt.Sprint(i)}
		different[key] = &Service{Key: key}
	}
	before := Services{}.With(different)
	one := &Service{Key: ServiceKey{Name: "7"}}
	after := before.With(map[ServiceKey]*Service{one.Key: one})
	renamed := 0
	for service := range before.All() {
		of, in := place(service.Key)
		oneOf, oneIn := place(one.Key)
		if of != oneOf || in != oneIn {
			service.Key = ServiceKey{Name: "elsewhere"}
			renamed++
		}
	}
	count := 0
	for key := range before.Different(&after) {
		if count++; key != one.Key {
			t.Errorf("they differ at %s", key)
		}
	}
	if count != 1 || renamed < 4900 {
		t.Errorf("they differ at %d keys, and %d buckets' services were renamed", count, renamed)
	}
}

func TestDifferentStopsWhenAsked(t *testing.T) {
	t.Parallel()
	different := map[ServiceKey]*Service{}
	for i := range 10 {
		key := ServiceKey{Name: fmt.Sprint(i)}
		different[key] = &Service{Key: key}
	}
	full, empty := Services{}.With(different), Services{}
	for name, keys := range map[string]iter.Seq[ServiceKey]{"what came": empty.Different(&full), "what went": full.Different(&empty)} {
		seen := 0
		for range keys {
			seen++
			break
		}
		if seen != 1 {
			t.Errorf("%s: saw %d keys, want 1", name, seen)
		}
	}
}

// BenchmarkDifferent is for one service of 10,000.
func BenchmarkDifferent(b *testing.B) {
	different := map[ServiceKey]*Service{}
	for i := range 10_000 {
		key := ServiceKey{Namespace: "ns", Name: fmt.Sprint(i)}
		different[key] = &Service{Key: key}
	}
	before := Services{}.With(different)
	one := &Service{Key: ServiceKey{Namespace: "ns", Name: "7"}}
	after := before.With(map[ServiceKey]*Service{one.Key: one})
	b.ReportAllocs()
	for b.Loop() {
		for range before.Different(&after) {
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
