package verify_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestRunRejectsInput(t *testing.T) {
	t.Parallel()
	east := verify.Cluster{Name: "east"}
	cases := map[string]struct {
		clusters []verify.Cluster
		options  verify.Options
	}{
		"no cluster":           {},
		"a name twice":         {clusters: []verify.Cluster{east, east}},
		"a name with capitals": {clusters: []verify.Cluster{{Name: "East"}}},
		"a link to nowhere":    {clusters: []verify.Cluster{east}, options: verify.Options{Links: []verify.Pair{{Consumer: "east", Producer: "west"}}}},
		"certainty":            {clusters: []verify.Cluster{east}, options: verify.Options{Confidence: 1}},
		"a bad namespace":      {clusters: []verify.Cluster{east}, options: verify.Options{Namespace: "A b"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := verify.Run(t.Context(), istio.New(), c.clusters, c.options); problem.ExitCode(err) != problem.ExitInput {
				t.Errorf("err = %v, want exit %d", err, problem.ExitInput)
			}
		})
	}
}

func TestProgressNamesEveryCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMesh("east", "west")
		steps := make(chan string, 1000)
		_, err := verify.Run(t.Context(), istio.New(), m.clusters(), verify.Options{Progress: func(cluster, _ string) { steps <- cluster }})
		if err != nil {
			t.Fatal(err)
		}
		close(steps)
		var seen []string
		for name := range steps {
			seen = append(seen, name)
		}
		slices.Sort(seen)
		if diff := cmp.Diff([]string{"", "east", "west"}, slices.Compact(seen)); diff != "" {
			t.Error(diff)
		}
	})
}
