package judge

import (
	"maps"
	"math"
	"slices"
)

// MissChance bounds the chance that one of the versions stays unseen although
// all is well; it decides how many requests are sent.
const MissChance = 1e-6

// minRequests is the guide's own number of requests.
const minRequests = 20

// Requests is how many requests show each of k equally weighted versions but
// for a chance of MissChance: the smallest n with k(1-1/k)^n below it.
func Requests(k int) int {
	if k < 2 {
		return minRequests
	}
	kk := float64(k)
	n := math.Log(MissChance/kk) / math.Log(1-1/kk)
	return max(minRequests, int(math.Ceil(n)))
}

// Outcome is the verdict on who answered.
type Outcome struct {
	// P is the chance of shares at least this far from the weights if the
	// weights were in force: an exact binomial for two versions, chi-square for
	// more. It is 1 where there was nothing to compare.
	P float64
	// Skewed says that P is below 1 - confidence.
	Skewed bool
	// Missing are versions with a weight that never answered.
	Missing []Missing
	// Unexpected are versions without a weight that did answer.
	Unexpected []string
}

// Missing is a version that never answered.
type Missing struct {
	Version string
	// Chance of that if its weight were in force.
	Chance float64
	// Proven says that Chance is below 1 - confidence.
	Proven bool
}

// Shares compares who answered with the weights in force, which add up to 1.
func Shares(weights map[string]float64, counts map[string]int, confidence float64) Outcome {
	n := 0
	for _, count := range counts {
		n += count
	}
	var o Outcome
	var w []float64
	var seen []int
	for _, version := range slices.Sorted(maps.Keys(weights)) {
		weight := weights[version]
		if weight <= 0 {
			continue
		}
		w, seen = append(w, weight), append(seen, counts[version])
		if counts[version] == 0 {
			chance := math.Pow(1-weight, float64(n))
			o.Missing = append(o.Missing, Missing{Version: version, Chance: chance, Proven: chance < 1-confidence})
		}
	}
	for _, version := range slices.Sorted(maps.Keys(counts)) {
		if counts[version] > 0 && weights[version] <= 0 {
			o.Unexpected = append(o.Unexpected, version)
		}
	}
	o.P = pValue(w, seen)
	o.Skewed = o.P < 1-confidence
	return o
}

// pValue is the chance of counts at least as unlikely as those seen.
func pValue(weights []float64, counts []int) float64 {
	n := 0
	for _, c := range counts {
		n += c
	}
	switch {
	case len(weights) < 2 || n == 0:
		return 1
	case len(weights) == 2:
		return binomial(n, counts[0], weights[0])
	}
	x := 0.0
	for i, c := range counts {
		expected := weights[i] * float64(n)
		x += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	return upperGamma(float64(len(weights)-1)/2, x/2)
}

// binomial is the exact two-sided test: the sum over all counts that are no
// more likely than k.
func binomial(n, k int, w float64) float64 {
	at := func(i int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		return math.Exp(a - b - c + float64(i)*math.Log(w) + float64(n-i)*math.Log(1-w))
	}
	// Equal terms must count as equal in spite of rounding.
	limit := at(k) * (1 + 1e-9)
	sum := 0.0
	for i := range n + 1 {
		if p := at(i); p <= limit {
			sum += p
		}
	}
	return min(1, sum)
}

// upperGamma is the regularised incomplete gamma function Q(a, x), which is the
// upper tail of chi-square. Both branches end well before their bound for the
// sizes that occur here.
func upperGamma(a, x float64) float64 {
	if x <= 0 {
		return 1
	}
	lg, _ := math.Lgamma(a)
	front := math.Exp(a*math.Log(x) - x - lg)
	if x < a+1 {
		return 1 - front*series(a, x)
	}
	return front * fraction(a, x)
}

const (
	terms     = 1000
	precision = 1e-12
)

// series is the power series for the lower part, divided by the common factor.
func series(a, x float64) float64 {
	term := 1 / a
	sum := term
	for i := 1; i < terms && term > sum*precision; i++ {
		term *= x / (a + float64(i))
		sum += term
	}
	return sum
}

// fraction is the continued fraction for the upper part, by Lentz's method.
func fraction(a, x float64) float64 {
	const tiny = 1e-300
	b := x + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for i := 1; i < terms; i++ {
		an := -float64(i) * (float64(i) - a)
		b += 2
		if d = an*d + b; math.Abs(d) < tiny {
			d = tiny
		}
		if c = b + an/c; math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		h *= d * c
		if math.Abs(d*c-1) < precision {
			break
		}
	}
	return h
}
