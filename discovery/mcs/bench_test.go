package mcs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// BenchmarkOneOfMany is a pass after one service has another label, where there are
// 10,000, of which this cluster exports a tenth.
func BenchmarkOneOfMany(b *testing.B) {
	m := newMemory(b, many(10_000)...)
	for i := range 1000 {
		m.api.Put(exportNamed(fmt.Sprint("service-", 10*i)))
	}
	m.open(b)
	m.quiet(b, func() {
		for !m.writer.open[0].known() || !m.caughtUp() {
			<-m.writer.wake
		}
	})
	b.ReportAllocs()
	for at := 0; b.Loop(); at++ {
		one := named("service-1", "west")
		one.Traits.Labels = map[string]string{"team": strings.Repeat("x", 1+at%50)}
		m.tell(put(one))
		if err := m.writer.Once(b.Context(), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

// caughtUp reports whether the watches have told of all that the API server has.
func (m *memory) caughtUp() bool {
	all := true
	m.api.Do(func() {
		for which, path := range []string{ofImports: importPath, ofExports: fakeapi.ExportPath} {
			for _, one := range m.api.Objects[path] {
				seen := m.writer.open[0].get(which, model.ServiceKey{Namespace: one.GetNamespace(), Name: one.GetName()})
				all = all && seen != nil && seen.GetResourceVersion() == one.GetResourceVersion()
			}
		}
	})
	return all
}

// many are services of member west, and every tenth of member east.
func many(count int) []*model.Service {
	all := make([]*model.Service, count)
	for i := range all {
		exporters := []model.MemberName{"west", "east"}
		if i%10 > 0 {
			exporters = exporters[:1]
		}
		all[i] = named(fmt.Sprint("service-", i), exporters...)
	}
	return all
}
