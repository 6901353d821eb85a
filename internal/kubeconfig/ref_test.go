package kubeconfig

import (
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		arg  string
		want Ref
	}{
		"a path":                          {"east.yaml", Ref{Path: "east.yaml"}},
		"a name and a path":               {"east=/k/a.yaml", Ref{Name: "east", Path: "/k/a.yaml"}},
		"a path and a context":            {"a.yaml#admin@east", Ref{Path: "a.yaml", Context: "admin@east"}},
		"all three":                       {"e=a.yaml#c", Ref{Name: "e", Path: "a.yaml", Context: "c"}},
		"a context with = # / and spaces": {"a#arn:aws:eks:x/y=z#1 2", Ref{Path: "a", Context: "arn:aws:eks:x/y=z#1 2"}},
		"= in a path behind ./":           {"./a=b.yaml", Ref{Path: "./a=b.yaml"}},
		"= in a path behind a name":       {"east=a=b.yaml", Ref{Name: "east", Path: "a=b.yaml"}},
		"= only in the context":           {"a#b=c", Ref{Path: "a", Context: "b=c"}},
		"a doubled # is one of the path":  {"a##b#ctx", Ref{Path: "a#b", Context: "ctx"}},
		"three # are one and a separator": {"a###b", Ref{Path: "a#", Context: "b"}},
		"a doubled # at the end":          {"a##", Ref{Path: "a#"}},
		"a Windows path":                  {`C:\k\a=b`, Ref{Path: `C:\k\a=b`}},
		"a folder with =":                 {"/k=1/a", Ref{Path: "/k=1/a"}},
		"UTF-8":                           {"ö/ä.yaml#süd", Ref{Path: "ö/ä.yaml", Context: "süd"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseRef(tc.arg)
			if err != nil || got != tc.want {
				t.Fatalf("ParseRef(%q) = %+v, %v; want %+v", tc.arg, got, err, tc.want)
			}
			again, err := ParseRef(got.String())
			if err != nil || again != got {
				t.Errorf("String gives %q, which parses as %+v, %v", got.String(), again, err)
			}
		})
	}
}

func TestParseRefRejects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ arg, text string }{
		"nothing":                        {"", "the path is empty"},
		"no path":                        {"east=", "the path is empty"},
		"no path before a context":       {"#ctx", "the path is empty"},
		"no context behind #":            {"a.yaml#", "nothing follows"},
		"an empty name":                  {"=a.yaml", "is empty"},
		"an upper-case name":             {"East=a.yaml", `"E" at position 1`},
		"a name with an underscore":      {"my_east=a", `"_" at position 3`},
		"a name that ends in a dash":     {"east-=a", `"-" at position 5`},
		"a name with a dot":              {"a.b=c", `"." at position 2`},
		"a name of 64 characters":        {strings.Repeat("a", 64) + "=b", "64 bytes"},
		"not UTF-8":                      {"a\xffb", "not valid UTF-8"},
		"a NUL byte":                     {"a\x00b", "control character"},
		"a line break":                   {"a\nb", "control character"},
		"a mebibyte":                     {strings.Repeat("x", 1<<20), "1048576 bytes"},
		"a = in the path without folder": {"a_b=c.yaml", "starts with ./"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseRef(tc.arg)
			wantProblem(t, err, "", tc.text)
			if len(err.Error()) > 1024 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
		})
	}
}
