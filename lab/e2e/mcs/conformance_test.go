//go:build e2e

package mcs

import (
	"slices"
	"testing"
)

// conforms runs all cases on the first clusters of the set.
func conforms(t *testing.T, clusters int) {
	arguments := slices.Concat([]string{"mcs", "conformance", "-o", "json", "-q", "--image-conformance", "lab.local/netshoot:lab"},
		suite.Members()[:2*clusters])
	result := suite.Run(t, 0, arguments...)
	var report struct {
		Groups []struct {
			Name          string
			Passed, Total int
			Tests         []struct {
				Number  int
				Outcome string
				Seconds float64
			}
		}
		Notes []string
	}
	result.Decode(t, &report)
	passed := map[string]int{}
	for _, group := range report.Groups {
		if passed[group.Name] = group.Passed; group.Passed != group.Total {
			t.Errorf("%s: %d of %d\n%s", group.Name, group.Passed, group.Total, result)
		}
		for _, one := range group.Tests {
			t.Logf("case %d %s: %.1f s", one.Number, one.Outcome, one.Seconds)
		}
	}
	if passed["Required"] != 14 || passed["Optional"] != 13 || passed["Beyond"] != 2 {
		t.Errorf("conformant are %v, want 14 required, 13 optional and 2 beyond", passed)
	}
	if len(report.Notes) > 0 {
		t.Errorf("notes: %v", report.Notes)
	}
	t.Logf("%d clusters: %s", clusters, result.Took)
	suite.Each(func(i int) {
		if left := suite.Kubectl(t, i, "get", "namespaces", "-l", "eastwest.dev/conformance-run", "-o", "name"); left != "" {
			t.Errorf("cluster %d still has %s", i, left)
		}
	})
}
