package mcs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
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
		for !m.writer.open[0].known() {
			<-m.writer.wake
		}
		time.Sleep(100 * time.Millisecond) // for the watches: it is not measured
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
