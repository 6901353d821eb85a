package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Quantile is the smallest of the samples that at least a share q of them does not
// exceed; 0 without samples.
func Quantile(samples []time.Duration, q float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(at, 0)]
}

// Ratio is one side's quantile over the other's, with bounds between which it is in
// 95 of 100 cases, by bootstrap.
type Ratio struct{ Value, Low, High float64 }

// RatioOf compares a quantile of both. The bounds of equal samples are equal: chance
// is seeded.
func RatioOf(over, under []time.Duration, q float64) Ratio {
	const rounds = 2000
	random := rand.New(rand.NewPCG(1, 1))
	ratio := func(over, under []time.Duration) float64 {
		return float64(Quantile(over, q)) / float64(Quantile(under, q))
	}
	all := make([]float64, rounds)
	for i := range all {
		all[i] = ratio(drawn(random, over), drawn(random, under))
	}
	slices.Sort(all)
	return Ratio{Value: ratio(over, under), Low: all[rounds*25/1000], High: all[rounds*975/1000]}
}

// drawn are as many samples, drawn with replacement.
func drawn(random *rand.Rand, samples []time.Duration) []time.Duration {
	out := make([]time.Duration, len(samples))
	for i := range out {
		out[i] = samples[random.IntN(len(samples))]
	}
	return out
}

// Slope is how much y grows with x, by least squares.
func Slope(x, y []float64) float64 {
	n, sumX, sumY, sumXX, sumXY := float64(len(x)), 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sumX, sumY, sumXX, sumXY = sumX+x[i], sumY+y[i], sumXX+x[i]*x[i], sumXY+x[i]*y[i]
	}
	return (n*sumXY - sumX*sumY) / (n*sumXX - sumX*sumX)
}
