package subset

import (
	"encoding/json"
	"testing"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		have, wanted string
		want         bool
	}{
		"equal":                          {`{"a":1,"b":["x"]}`, `{"a":1,"b":["x"]}`, true},
		"a field more":                   {`{"a":1,"b":2}`, `{"a":1}`, true},
		"a field more within a list":     {`[{"a":1,"b":2}]`, `[{"a":1}]`, true},
		"a field less":                   {`{"a":1}`, `{"a":1,"b":2}`, false},
		"another value":                  {`{"a":1}`, `{"a":2}`, false},
		"an item more":                   {`["x","y"]`, `["x"]`, false},
		"another order":                  {`["x","y"]`, `["y","x"]`, false},
		"a list where a map is wanted":   {`[1]`, `{"a":1}`, false},
		"nothing where a map is wanted":  {`null`, `{"a":1}`, false},
		"nothing where an empty one is":  {`null`, `{}`, true},
		"nothing where a list is":        {`null`, `["x"]`, false},
		"nothing where an empty text is": {`{}`, `{"a":""}`, true},
		"a text where an empty one is":   {`{"a":"x"}`, `{"a":""}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var have, wanted any
			if json.Unmarshal([]byte(tc.have), &have) != nil || json.Unmarshal([]byte(tc.wanted), &wanted) != nil {
				t.Fatal("no JSON")
			}
			if got := Holds(have, wanted); got != tc.want {
				t.Errorf("Holds(%s, %s) = %t", tc.have, tc.wanted, got)
			}
		})
	}
}
