package judge_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
)

func TestRequestsShowEveryVersion(t *testing.T) {
	t.Parallel()
	// performance.md section 3, last bullet.
	for k, want := range map[int]int{0: 20, 1: 20, 2: 21, 5: 70, 10: 153} {
		if got := judge.Requests(k); got != want {
			t.Errorf("Requests(%d) = %d, want %d", k, got, want)
		}
		if k < 2 {
			continue
		}
		if miss := float64(k) * math.Pow(1-1/float64(k), float64(want)); miss >= judge.MissChance {
			t.Errorf("%d requests miss one of %d with %g", want, k, miss)
		}
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	half := map[string]float64{"v1": 0.5, "v2": 0.5}
	third := map[string]float64{"v1": 1. / 3, "v2": 1. / 3, "v3": 1. / 3}
	cases := map[string]struct {
		weights map[string]float64
		counts  map[string]int
		want    judge.Outcome
	}{
		"as the weights say":        {half, map[string]int{"v1": 10, "v2": 10}, judge.Outcome{P: 1}},
		"nine and eleven of twenty": {half, map[string]int{"v1": 9, "v2": 11}, judge.Outcome{P: 0.8238}},
		// 2 * (1 + 21) / 2^21
		"one of twenty-one is skew": {half, map[string]int{"v1": 20, "v2": 1}, judge.Outcome{P: 2.098e-5, Skewed: true}},
		"a version never answers": {half, map[string]int{"v1": 21}, judge.Outcome{
			P: 9.5367e-7, Skewed: true,
			Missing: []judge.Missing{{Version: "v2", Chance: 4.7684e-7, Proven: true}},
		}},
		"too few requests to say that one is missing": {half, map[string]int{"v1": 5}, judge.Outcome{
			P: 0.0625, Missing: []judge.Missing{{Version: "v2", Chance: 0.03125}},
		}},
		"a version of weight zero is not missed": {map[string]float64{"v1": 1, "v2": 0}, map[string]int{"v1": 21}, judge.Outcome{P: 1}},
		"a version without weight answers": {map[string]float64{"v1": 1}, map[string]int{"v1": 20, "v9": 1}, judge.Outcome{
			P: 1, Unexpected: []string{"v9"},
		}},
		// chi-square of (20-14)^2 twice and 12^2 over 14... with 2 degrees is exp(-x/2).
		"three equal versions": {third, map[string]int{"v1": 14, "v2": 14, "v3": 14}, judge.Outcome{P: 1}},
		"three with a lean":    {third, map[string]int{"v1": 20, "v2": 14, "v3": 8}, judge.Outcome{P: math.Exp(-(36 + 0 + 36) / 14. / 2)}},
		"nobody answered":      {half, nil, judge.Outcome{P: 1, Missing: []judge.Missing{{Version: "v1", Chance: 1}, {Version: "v2", Chance: 1}}}},
	}
	near := cmp.Comparer(func(a, b float64) bool {
		return a == b || math.Abs(a-b) <= 1e-3*math.Max(math.Abs(a), math.Abs(b))
	})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judge.Shares(c.weights, c.counts, 0.999)
			if diff := cmp.Diff(c.want, got, near); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestChiSquareTail compares with published 0.1 % points of chi-square.
func TestChiSquareTail(t *testing.T) {
	t.Parallel()
	for df, x := range map[int]float64{2: 13.816, 3: 16.266, 4: 18.467, 9: 27.877} {
		k := df + 1
		n := 1_000_000 * k
		weights, counts := map[string]float64{}, map[string]int{}
		for i := range k {
			v := string(rune('a' + i))
			weights[v], counts[v] = 1/float64(k), n/k
		}
		// Moving d from one version to another gives chi-square 2d²k/n.
		d := int(math.Round(math.Sqrt(x * float64(n) / 2 / float64(k))))
		counts["a"] += d
		counts["b"] -= d
		if p := judge.Shares(weights, counts, 0.999).P; math.Abs(p-0.001) > 2e-5 {
			t.Errorf("%d degrees of freedom: p = %g, want 0.001", df, p)
		}
	}
}
