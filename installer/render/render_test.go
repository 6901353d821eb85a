package render

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/manifests"
)

func TestInvalidValuesNameTheirPath(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		chart  string
		values Values
		want   string
	}{
		"an unknown value":         {"eastwest-gateway", Values{"colour": "red"}, "at '': additional properties 'colour' not allowed"},
		"one below":                {"eastwest-gateway", Values{"service": map[string]any{"colour": "red"}}, "at '/service': additional properties 'colour' not allowed"},
		"the wrong type":           {"eastwest-gateway", Values{"replicas": "many"}, "at '/replicas': got string, want integer"},
		"a map for a text":         {"eastwest-gateway", Values{"network": map[string]any{}}, "at '/network'"},
		"a word out of a list":     {"eastwest-gateway", Values{"service": map[string]any{"type": "Magic"}}, "at '/service/type': value must be one of"},
		"a label that is none":     {"eastwest-gateway", Values{"network": "no label"}, "at '/network'"},
		"a number as annotation":   {"eastwest-gateway", Values{"service": map[string]any{"annotations": map[string]any{"a": 7}}}, "at '/service/annotations/a': got number, want string"},
		"a name that is none":      {"eastwest-gateway", Values{"name": "No_Name"}, "at '/name'"},
		"no network":               {"eastwest-gateway", nil, "network is required unless singleCluster is set"},
		"ambient without network":  {"eastwest-gateway", Values{"mode": "ambient"}, "network is required in ambient mode"},
		"a text for a map":         {"eastwest-gateway", Values{"service": "x"}, "at '/service': got string, want object"},
		"a value taken away":       {"eastwest-gateway", Values{"name": nil}, "missing property 'name'"},
		"nothing to expose":        {"eastwest-expose", Values{"hosts": []any{}}, "at '/hosts'"},
		"exposed by nobody":        {"eastwest-expose", Values{"selector": map[string]any{"istio": 1}}, "at '/selector/istio'"},
		"a port that is none":      {"eastwest-expose", Values{"port": 70000}, "at '/port'"},
		"a value of another chart": {"eastwest-expose", Values{"network": "n"}, "at '': additional properties 'network' not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Chart(Release{Chart: tc.chart, Namespace: "x", Layers: []Values{tc.values}})
			wantInput(t, err, "ValuesInvalid", tc.want)
			if strings.Contains(tc.want, "required") {
				return // what is missing only shows when it is rendered
			}
			wantInput(t, CheckValues(tc.chart, tc.values), "ValuesInvalid", tc.want)
		})
	}
}

func TestCheckValuesAcceptsWhatCanBeRendered(t *testing.T) {
	t.Parallel()
	if err := CheckValues("eastwest-gateway", nil, Values{"network": "n"}, Values{"replicas": float64(2)}); err != nil {
		t.Error(err)
	}
}

// TestEqualInputGivesEqualBytes renders again and again, and shuffles what is
// sorted: neither maps nor the order of templates may show.
func TestEqualInputGivesEqualBytes(t *testing.T) {
	t.Parallel()
	release := Release{Chart: "eastwest-gateway", Namespace: "x", Layers: []Values{{
		"network": "n", "labels": map[string]any{"a": "1", "b": "2", "c": "3"}, "env": map[string]any{"A": "1", "B": "2", "C": "3"},
		"autoscaling": map[string]any{"enabled": true}, "podDisruptionBudget": map[string]any{"enabled": true},
	}}}
	first := rendered(t, release)
	for range 5 {
		if diff := cmp.Diff(first, rendered(t, release)); diff != "" {
			t.Fatalf("(-first +again)\n%s", diff)
		}
	}
	objects, err := Objects([]byte(first))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		rand.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		shuffled := slices.Clone(objects)
		Sort(shuffled)
		if text, err := YAML(shuffled); err != nil || string(text) != first {
			t.Fatalf("the order of input shows (%v):\n%s", err, text)
		}
	}
}

func rendered(t *testing.T, release Release) string {
	t.Helper()
	objects, err := Chart(release)
	if err != nil {
		t.Fatal(err)
	}
	text, err := YAML(objects)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSortIsTheOrderOfCreation(t *testing.T) {
	t.Parallel()
	var objects []*unstructured.Unstructured
	for _, one := range []string{"Gateway b/a", "Zebra /a", "Deployment b/a", "Service b/b", "Service a/z", "ServiceAccount b/a", "Namespace /b", "Apple /a"} {
		kind, rest, _ := strings.Cut(one, " ")
		namespace, name, _ := strings.Cut(rest, "/")
		object := &unstructured.Unstructured{}
		object.SetKind(kind)
		object.SetNamespace(namespace)
		object.SetName(name)
		objects = append(objects, object)
	}
	Sort(objects)
	var got []string
	for _, one := range objects {
		got = append(got, one.GetKind()+" "+one.GetNamespace()+"/"+one.GetName())
	}
	want := []string{"Namespace /b", "ServiceAccount b/a", "Service a/z", "Service b/b", "Deployment b/a", "Apple /a", "Gateway b/a", "Zebra /a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
		bad  bool
	}{
		"nothing":                         {"", nil, false},
		"comments and empty documents":    {"---\n# nothing\n---\n\n---\n", nil, false},
		"a separator before and after":    {"---\nkind: A\n---\nkind: B\n---\n", []string{"A", "B"}, false},
		"three dashes within a text":      {"kind: A\ntext: |\n  ---\n  kind: B\n", []string{"A"}, false},
		"a comment behind the separator":  {"kind: A\n--- # next\nkind: B\n", []string{"A", "B"}, false},
		"what is no mapping is no object": {"- a\n", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := Objects([]byte(tc.text))
			var kinds []string
			for _, one := range objects {
				kinds = append(kinds, one.GetKind())
			}
			if diff := cmp.Diff(tc.want, kinds); diff != "" || (err != nil) != tc.bad {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// TestEveryValueIsInAGolden fails for a value of a chart that no case sets:
// nobody would see what it does.
func TestEveryValueIsInAGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"eastwest-gateway", "eastwest-agent"} {
		known := Values{}
		text, err := manifests.FS.ReadFile("charts/" + name + "/values.yaml")
		if err != nil || yaml.Unmarshal(text, &known) != nil {
			t.Fatal(err)
		}
		seen, wanted := valuesInCases(t, name), map[string]bool{}
		collect(wanted, "", known)
		for path := range wanted {
			if !seen[path] {
				t.Errorf("no case of %s sets %s", name, path)
			}
		}
	}
}

// valuesInCases are the values that the cases of a chart set.
func valuesInCases(t *testing.T, chart string) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	cases, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		release, values := setup{Chart: "eastwest-gateway"}, Values{}
		for _, file := range archive.Files {
			switch file.Name {
			case "release.yaml":
				err = yaml.Unmarshal(file.Data, &release)
			case "values.yaml":
				err = yaml.Unmarshal(file.Data, &values)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if release.Chart == chart {
			collect(seen, "", values)
		}
	}
	return seen
}

// collect lists the values one and two levels deep, which is how far the chart
// has names of its own.
func collect(paths map[string]bool, prefix string, values map[string]any) {
	for name, value := range values {
		nested, isMap := value.(map[string]any)
		if isMap && len(nested) > 0 && prefix == "" && bytes.Contains([]byte("service autoscaling podDisruptionBudget"), []byte(name)) {
			collect(paths, name+".", nested)
			continue
		}
		paths[prefix+name] = true
	}
}
