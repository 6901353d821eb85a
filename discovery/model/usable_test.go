package model

import "testing"

func TestUsable(t *testing.T) {
	t.Parallel()
	of := func(healths ...Health) *Slice {
		slice := &Slice{}
		for _, health := range healths {
			slice.Endpoints.Append(Endpoint{Health: health})
		}
		return slice
	}
	for name, tc := range map[string]struct {
		slices []*Slice
		health Health
		usable bool
	}{
		"nothing is of no use":                      {nil, Unready, false},
		"unready endpoints are of no use":           {[]*Slice{of(Unready), of(Unready, Unready)}, Unready, false},
		"serving endpoints are used":                {[]*Slice{of(Unready), of(Draining, Serving)}, Serving, true},
		"draining ones only where none is serving":  {[]*Slice{of(Draining), of(Serving)}, Serving, true},
		"draining ones are better than none at all": {[]*Slice{of(Unready, Draining), of()}, Draining, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if health, usable := Usable(tc.slices); health != tc.health || usable != tc.usable {
				t.Errorf("got %d %v, want %d %v", health, usable, tc.health, tc.usable)
			}
		})
	}
}
