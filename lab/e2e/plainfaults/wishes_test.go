//go:build e2e

package plainfaults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// testWishes: what exporters ask for in annotations decides who is called.
func testWishes(t *testing.T) {
	const prefer, weight = "eastwest.dev/prefer", "eastwest.dev/weight"
	everybody := func(string) []string { return []string{"c1", "c2", "c3"} }
	for _, wish := range []struct {
		name        string
		annotations map[int]string
		called      func(from string) []string
	}{
		{"the caller's own cluster", map[int]string{1: prefer + "=own", 2: prefer + "=own", 3: prefer + "=own"}, func(from string) []string { return []string{from} }},
		{"one cluster for all", map[int]string{1: prefer + "=member=c2", 2: prefer + "=member=c2", 3: prefer + "=member=c2"}, func(string) []string { return []string{"c2"} }},
		{"nobody in a drained one", map[int]string{3: weight + "=0"}, func(string) []string { return []string{"c1", "c2"} }},
	} {
		annotate(t, wish.annotations)
		suite.Each(func(from int) { onlyCalled(t, from, wish.name, wish.called(fmt.Sprintf("c%d", from))) })
		annotate(t, map[int]string{1: prefer + "-", 2: prefer + "-", 3: prefer + "-"})
		annotate(t, map[int]string{3: weight + "-"})
	}
	suite.Each(func(from int) { onlyCalled(t, from, "nothing is asked for", everybody("")) })
}

func annotate(t *testing.T, annotations map[int]string) {
	t.Helper()
	for i, one := range annotations {
		suite.Kubectl(t, i, "-n", shop, "annotate", "--overwrite", "serviceexports.multicluster.x-k8s.io", "hello", one)
	}
}

// onlyCalled waits until calls from a cluster lead to these clusters, and to no others.
func onlyCalled(t *testing.T, from int, when string, want []string) {
	t.Helper()
	host, c := derived(t, from, "hello"), newClient(from, false)
	rig.Await(t, fmt.Sprintf("%s: c%d calls %s", when, from, want), time.Minute, func(ctx context.Context) error {
		var got []string
		for range 40 {
			version, err := c.call(ctx, host, tcpPort)
			if err != nil {
				return err
			}
			if !slices.Contains(got, version) {
				got = append(got, version)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("it calls %s", strings.Join(got, ", "))
		}
		return nil
	})
}
