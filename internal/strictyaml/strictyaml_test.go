package strictyaml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type file struct {
	Name  string `json:"name"`
	Limit *int64 `json:"limit"`
	Inner struct {
		List []struct {
			Key string `json:"key"`
		} `json:"list"`
	} `json:"inner"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"a good one":               {"name: a\nlimit: 3\ninner: {list: [{key: b}]}\n", nil},
		"JSON":                     {`{"name": "a"}`, nil},
		"nothing":                  {"# only a comment\n", []string{"empty"}},
		"no mapping":               {"- a\n", []string{"not a mapping"}},
		"no YAML":                  {"a: [", []string{"line 1: did not find expected node content"}},
		"all unknown keys":         {"x: 1\nname: a\ninner:\n  list:\n  - key: b\n    z: 2\n", []string{`line 1: unknown field "x"`, `line 6: unknown field "inner.list[0].z"`}},
		"a repeated key":           {"name: a\nname: b\n", []string{`line 2: duplicate field "name"`}},
		"a repeated key in a list": {"inner:\n  list:\n  - key: b\n    key: c\n", []string{`line 4: duplicate field "inner.list[0].key"`}},
		"a wrong type":             {"name: a\nlimit: many\n", []string{`line 2: "limit" must be a whole number, not string`}},
		"everything at once": {
			"x: 1\nname: a\nname: b\nlimit: many\n",
			[]string{`line 1: unknown field "x"`, `line 3: duplicate field "name"`, `line 4: "limit" must be a whole number, not string`},
		},
		"keys differ in case":      {"Name: a\n", []string{`line 1: unknown field "Name"`}},
		"an alias of itself":       {"name: &a [*a]\n", []string{"nested too deeply, or its aliases expand to too much"}},
		"more than the bound":      {"name: " + strings.Repeat("x", MaxSize), []string{"larger than 1048576 bytes"}},
		"an alias that multiplies": {bomb(), []string{"nested too deeply, or its aliases expand to too much"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, err := range Decode([]byte(tc.text), &file{}) {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// bomb is a small text of nine levels of ten.
func bomb() string {
	text := "a0: &a0 x\n"
	for level := range 9 {
		from, to := string(rune('0'+level)), string(rune('1'+level))
		text += "a" + to + ": &a" + to + " [" + strings.Repeat("*a"+from+",", 10) + "]\n"
	}
	return text
}

// TestDecodeKeepsWhatItCould lets the reader judge the rest in the same run.
func TestDecodeKeepsWhatItCould(t *testing.T) {
	t.Parallel()
	got := &file{}
	if errs := Decode([]byte("x: 1\nname: a\nlimit: many\n"), got); len(errs) != 2 || got.Name != "a" {
		t.Errorf("got %+v, %v", got, errs)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: a\nlimit: 3\n"))
	f.Add([]byte("inner: {list: [{key: &a b}, *a]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, err := range Decode(text, &file{}) {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
		}
	})
}
