package model

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// FuzzIsLabel compares with what Kubernetes says.
func FuzzIsLabel(f *testing.F) {
	for _, word := range []string{
		"a", "web-2", "0", "", "-a", "a-", "a.b", "A", "a|b", "a_b", "ü", "a\n", "\x00",
		"a123456789b123456789c123456789d123456789e123456789f123456789abc",
		"a123456789b123456789c123456789d123456789e123456789f123456789abcd",
	} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if got, want := IsLabel(word), len(validation.IsDNS1123Label(word)) == 0; got != want {
			t.Errorf("%q: got %v, want %v", word, got, want)
		}
	})
}
