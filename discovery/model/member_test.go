package model

import "testing"

func TestSamePlaces(t *testing.T) {
	t.Parallel()
	before := map[MemberName]*Member{"a": {Name: "a", Network: "n1", Region: "r1"}, "b": {Name: "b", Network: "n2"}}
	for name, tc := range map[string]struct {
		after map[MemberName]*Member
		want  bool
	}{
		"the same":              {before, true},
		"equal ones":            {map[MemberName]*Member{"a": {Name: "a", Network: "n1", Region: "r1"}, "b": {Name: "b", Network: "n2"}}, true},
		"another state":         {map[MemberName]*Member{"a": {Name: "a", Network: "n1", Region: "r1", State: Stale, Demoted: true}, "b": before["b"]}, true},
		"other gateways":        {map[MemberName]*Member{"a": {Name: "a", Network: "n1", Region: "r1", Gateways: []HostPort{{Port: 1}}}, "b": before["b"]}, true},
		"another network":       {map[MemberName]*Member{"a": {Name: "a", Network: "n2", Region: "r1"}, "b": before["b"]}, false},
		"another region":        {map[MemberName]*Member{"a": {Name: "a", Network: "n1"}, "b": before["b"]}, false},
		"one left":              {map[MemberName]*Member{"a": before["a"]}, false},
		"one came":              {map[MemberName]*Member{"a": before["a"], "b": before["b"], "c": {Name: "c"}}, false},
		"one for another":       {map[MemberName]*Member{"a": before["a"], "c": {Name: "c"}}, false},
		"nobody where two were": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := SamePlaces(before, tc.after); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
