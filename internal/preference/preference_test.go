package preference_test

import (
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/preference"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "none": "none", "nearest": "own,region", "own": "own", "own,region": "own,region",
		" own , member=c2,region=eu-1 ": "own,member=c2,region=eu-1",
	} {
		if got, err := preference.Parse(text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
		if again, err := preference.Parse(want); err != nil || again != want {
			t.Errorf("the plain form %q is read as %q, %v", want, again, err)
		}
	}
	for text, says := range map[string]string{
		"local":                         `"local" is none of`,
		"own,none":                      `"none" is none of`,
		"nearest,own":                   `"nearest" is none of`,
		"member":                        `"member" is none of`,
		"member=":                       `"member=" is none of`,
		"member=a b":                    `"member=a b" is none of`,
		"own=c1":                        `"own=c1" is none of`,
		"own,,region":                   `"" is none of`,
		"own,own":                       "twice",
		strings.Repeat("own,", 20):      "21 terms",
		"x" + strings.Repeat("y", 9999): "none of",
	} {
		if got, err := preference.Parse(text); err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 300 || got != "" {
			t.Errorf("%.40q: %q, %v; want an error with %q", text, got, err, says)
		}
	}
}
