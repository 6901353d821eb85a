package preference_test

import (
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/preference"
)

// FuzzParse reads what may stand in an annotation of another cluster's object: what is
// taken has one plain form, which is read as itself, and what is not is told briefly.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "none", "nearest", " own , region=eu-1,member=c2", "own,own", "member=\x00", strings.Repeat("own,", 20)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := preference.Parse(text)
		if err != nil {
			if plain != "" || len(err.Error()) > 600 || strings.ContainsRune(err.Error(), 0) {
				t.Errorf("%q: %q with an error of %d bytes: %v", text, plain, len(err.Error()), err)
			}
			return
		}
		if again, err := preference.Parse(plain); err != nil || again != plain {
			t.Errorf("the plain form %q is read as %q, %v", plain, again, err)
		}
		terms := strings.Split(plain, ",")
		if len(terms) > 16 || len(plain) > 16*80 || strings.ContainsAny(plain, " \t\n\x00") {
			t.Errorf("%q is taken for %q", text, plain)
		}
	})
}
