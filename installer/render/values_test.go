package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		layers []Values
		want   Values
	}{
		"nothing":                     {nil, Values{}},
		"absent layers are left out":  {[]Values{nil, {"a": 1}, nil}, Values{"a": 1}},
		"later ones win":              {[]Values{{"a": 1, "b": 1}, {"a": 2}}, Values{"a": 2, "b": 1}},
		"maps merge at any depth":     {[]Values{{"a": map[string]any{"b": map[string]any{"c": 1}}}, {"a": map[string]any{"b": map[string]any{"d": 2}}}}, Values{"a": map[string]any{"b": map[string]any{"c": 1, "d": 2}}}},
		"lists are replaced":          {[]Values{{"a": []any{1, 2}}, {"a": []any{3}}}, Values{"a": []any{3}}},
		"a map replaces what is none": {[]Values{{"a": 1}, {"a": map[string]any{"b": 2}}}, Values{"a": map[string]any{"b": 2}}},
		"and is replaced by it":       {[]Values{{"a": map[string]any{"b": 2}}, {"a": "x"}}, Values{"a": "x"}},
		"an empty map takes nothing":  {[]Values{{"a": map[string]any{"b": 2}}, {"a": map[string]any{}}}, Values{"a": map[string]any{"b": 2}}},
		"a null takes the default":    {[]Values{{"a": map[string]any{"b": 2}}, {"a": nil}}, Values{"a": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Merge(tc.layers...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestRenderingLeavesItsInputAlone holds Merge and Chart to copies: layers are
// shared by members.
func TestRenderingLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	layer := func() Values {
		return Values{"network": "n", "podLabels": map[string]any{"a": "b"}, "selectorLabels": map[string]any{"c": "d"}, "service": map[string]any{"externalIPs": []any{"203.0.113.8"}}}
	}
	given := []Values{layer(), {"service": map[string]any{"type": "NodePort"}}}
	if _, err := Chart(Release{Chart: "eastwest-gateway", Namespace: "x", Layers: given}); err != nil {
		t.Fatal(err)
	}
	merged := Merge(given...)
	merged["service"].(map[string]any)["type"] = "ClusterIP"
	merged["podLabels"].(map[string]any)["a"] = "changed"
	if diff := cmp.Diff([]Values{layer(), {"service": map[string]any{"type": "NodePort"}}}, given); diff != "" {
		t.Errorf("the layers were changed (-want +got)\n%s", diff)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		arguments []string
		want      Values
		problem   string
	}{
		"nothing":                    {nil, Values{}, ""},
		"types as in Helm":           {[]string{"a=1", "b=true", "c=x"}, Values{"a": int64(1), "b": true, "c": "x"}, ""},
		"several in one, and deeper": {[]string{"a.b=1,a.c=2"}, Values{"a": map[string]any{"b": int64(1), "c": int64(2)}}, ""},
		"later ones win":             {[]string{"a=1", "a=2"}, Values{"a": int64(2)}, ""},
		"lists":                      {[]string{"a={x,y}"}, Values{"a": []any{"x", "y"}}, ""},
		"an index":                   {[]string{"a[0]=x"}, Values{"a": []any{"x"}}, ""},
		"escaped dots of annotations": {
			[]string{`service.annotations.example\.com/pool=7`},
			Values{"service": map[string]any{"annotations": map[string]any{"example.com/pool": int64(7)}}},
			"",
		},
		"null":                  {[]string{"a=null"}, Values{"a": nil}, ""},
		"no value":              {[]string{"a"}, nil, "--set a"},
		"an index out of reach": {[]string{"a[99999999]=x"}, nil, "--set a[99999999]=x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Set(tc.arguments)
			if tc.problem != "" {
				wantInput(t, err, "ValuesInvalid", tc.problem)
				return
			}
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// TestEveryPlatformRenders holds the list of presets to the files, and each
// preset to the chart's schema.
func TestEveryPlatformRenders(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../manifests/" + platformFolder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yaml"))
		text, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not say what it is for (%v)", file, err)
		}
	}
	if diff := cmp.Diff(names, Platforms()); diff != "" {
		t.Errorf("(-files +listed)\n%s", diff)
	}
	for _, name := range Platforms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			preset, err := Platform(name)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := Chart(Release{Chart: "eastwest-gateway", Namespace: "istio-system", Layers: []Values{preset, {"network": "n"}}})
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range objects {
				decodeStrictly(t, object)
			}
		})
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	none, err := Platform("")
	if err != nil || none != nil {
		t.Errorf("no platform has no values, got %v, %v", none, err)
	}
	for _, name := range []string{"mars", "EKS", "eks.yaml", "../values", "../platforms/eks", ".", "/eks"} {
		_, err := Platform(name)
		wantInput(t, err, "UnknownPlatform", "no platform preset")
	}
}

// wantInput requires a rejection of the user's input with a code and a text.
func wantInput(t *testing.T, err error, code, text string) {
	t.Helper()
	all := problem.All(err)
	if len(all) != 1 || all[0].Kind != problem.Input || all[0].Code != code || !strings.Contains(err.Error(), text) || all[0].Fix == "" {
		t.Errorf("got %v, want a problem of input %s with %q and a fix", err, code, text)
	}
}
