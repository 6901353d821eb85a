package traffic

import (
	"math"
	"slices"
	"time"
)

// Summary is a series of answers in figures.
type Summary struct {
	Sent, Good int
	// P50 and P99 are over good answers only, by nearest rank.
	P50, P99 time.Duration
	// Failures counts the bad ones by what went wrong.
	Failures map[string]int
	// Versions counts the good ones by who answered.
	Versions map[string]int
}

// Summarise reduces answers to figures.
func Summarise(answers []Answer) Summary {
	s := Summary{Sent: len(answers), Failures: map[string]int{}, Versions: map[string]int{}}
	var times []time.Duration
	for _, a := range answers {
		if !a.OK() {
			s.Failures[a.Failure()]++
			continue
		}
		s.Good++
		s.Versions[a.Version]++
		times = append(times, a.Total)
	}
	slices.Sort(times)
	s.P50, s.P99 = rank(times, 0.50), rank(times, 0.99)
	return s
}

// rank is the nearest-rank percentile of sorted times.
func rank(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
