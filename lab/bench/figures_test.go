package bench

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for name, tc := range map[string]struct {
		samples []time.Duration
		q       float64
		want    time.Duration
	}{
		"nothing":                           {nil, 0.5, 0},
		"one is every quantile":             {[]time.Duration{7}, 0.99, 7},
		"the median of three":               {[]time.Duration{9, 1, 5}, 0.5, 5},
		"of a hundred one is above the 99%": {hundred, 0.99, 99},
		"half of a hundred":                 {hundred, 0.5, 50},
		"the least":                         {hundred, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Quantile(tc.samples, tc.q); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestRatioHasBoundsAroundIt(t *testing.T) {
	t.Parallel()
	var over, under []time.Duration
	for i := range 100 {
		over, under = append(over, time.Duration(1000+i)), append(under, time.Duration(100+i%10))
	}
	got := RatioOf(over, under, 0.5)
	if got.Value < 10 || got.Value > 10.2 || got.Low >= got.Value || got.High <= got.Value || got.Low < 9.5 || got.High > 10.7 {
		t.Errorf("got %+v, want about 10 within narrow bounds", got)
	}
	if again := RatioOf(over, under, 0.5); again != got {
		t.Errorf("got %+v, then %+v", got, again)
	}
}
