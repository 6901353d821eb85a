package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestTopology(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text    string
		members string
		want    string // links, separated by spaces
		problem string
	}{
		"nothing said is full":      {"", "a b", "a>b b>a", ""},
		"full":                      {"full", "a b c", "a>b a>c b>a b>c c>a c>b", ""},
		"one member has no link":    {"full", "a", "", ""},
		"a hub":                     {"hub:b", "a b c", "a>b b>a b>c c>b", ""},
		"pairs as they are said":    {"pairs:b>a,a>c", "a b c", "b>a a>c", ""},
		"a hub that is no member":   {"hub:x", "a b", "", `names "x", which is no member`},
		"a pair with a stranger":    {"pairs:a>x", "a b", "", `names "x", which is no member`},
		"a pair with itself":        {"pairs:a>a", "a b", "", "InvalidTopology"},
		"a pair said twice":         {"pairs:a>b,b>a,a>b", "a b", "a>b b>a", ""},
		"half a pair":               {"pairs:a>", "a b", "", "InvalidTopology"},
		"three in a row":            {"pairs:a>b>c", "a b c", "", `names "b>c", which is no member`},
		"no pair at all":            {"pairs:", "a b", "", "InvalidTopology"},
		"an empty hub":              {"hub:", "a b", "", "InvalidTopology"},
		"a word nobody knows":       {"ring", "a b", "", "InvalidTopology"},
		"full takes nothing":        {"full:a", "a b", "", "InvalidTopology"},
		"a separator at the end":    {"pairs:a>b,", "a b", "", "InvalidTopology"},
		"letters are not forgiven":  {"Full", "a b", "", "InvalidTopology"},
		"spaces are not forgiven":   {"pairs:a > b", "a b", "", "is no member"},
		"the hub is said only once": {"hub:a,b", "a b", "", "is no member"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topology, err := ParseTopology(tc.text)
			var links []Link
			if err == nil {
				links, err = topology.Links(strings.Fields(tc.members))
			}
			if tc.problem != "" {
				if problem.ExitCode(err) != problem.ExitInput || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("got %v, %v, want exit 2 with %q", links, err, tc.problem)
				}
				return
			}
			var got []string
			for _, link := range links {
				got = append(got, link.String())
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// FuzzParseTopology: whatever is typed, links are among members, no two alike,
// and none leads to itself.
func FuzzParseTopology(f *testing.F) {
	for _, seed := range []string{"", "full", "hub:a", "pairs:a>b,b>c", "pairs:a>a", "hub:a>b", "pairs:,>"} {
		f.Add(seed)
	}
	members := []string{"a", "b", "c"}
	f.Fuzz(func(t *testing.T, text string) {
		topology, err := ParseTopology(text)
		if err != nil {
			if problem.ExitCode(err) != problem.ExitInput {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		links, err := topology.Links(members)
		if err != nil {
			return
		}
		seen := map[Link]bool{}
		for _, link := range links {
			if seen[link] || link.Consumer == link.Producer || !slices.Contains(members, link.Consumer) || !slices.Contains(members, link.Producer) {
				t.Fatalf("%q: links %v", text, links)
			}
			seen[link] = true
		}
	})
}
