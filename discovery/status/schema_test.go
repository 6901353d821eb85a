package status

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// typeFile is the CRD as the chart brings it.
const typeFile = "../../manifests/charts/eastwest-agent/crds/eastwest.dev_memberclusters.yaml"

// shape is the part of an OpenAPI schema that structs have a counterpart of.
type shape struct {
	Type, Format string
	Enum         []string
	Properties   map[string]shape
	Items        *shape
}

func readSchema(t *testing.T) shape {
	t.Helper()
	text, err := os.ReadFile(typeFile)
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema shape }
			}
		}
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	return definition.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// TestTheTypeIsTheSchema compares both, field by field: a field that is in one
// only is dropped by the API server, or never written.
func TestTheTypeIsTheSchema(t *testing.T) {
	t.Parallel()
	root := readSchema(t)
	agree(t, "spec", root.Properties["spec"], reflect.TypeFor[v1alpha1.MemberClusterSpec]())
	agree(t, "status", root.Properties["status"], reflect.TypeFor[v1alpha1.MemberClusterStatus]())
}

func agree(t *testing.T, path string, have shape, of reflect.Type) {
	t.Helper()
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of == reflect.TypeFor[metav1.Time]():
		if have.Type != "string" || have.Format != "date-time" {
			t.Errorf("%s is %s %s in the schema, and a time in the type", path, have.Type, have.Format)
		}
	case of.Kind() == reflect.Struct:
		agreeFields(t, path, have, of)
	case of.Kind() == reflect.Slice:
		if have.Type != "array" || have.Items == nil {
			t.Errorf("%s is %s in the schema, and a list in the type", path, have.Type)
			return
		}
		agree(t, path+"[]", *have.Items, of.Elem())
	default:
		want := map[reflect.Kind]string{reflect.String: "string", reflect.Int64: "integer", reflect.Bool: "boolean"}[of.Kind()]
		if have.Type != want {
			t.Errorf("%s is %s in the schema, and %s in the type", path, have.Type, of)
		}
	}
}

func agreeFields(t *testing.T, path string, have shape, of reflect.Type) {
	t.Helper()
	if have.Type != "object" {
		t.Errorf("%s is %s in the schema, and a struct in the type", path, have.Type)
	}
	fields := map[string]bool{}
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		fields[name] = true
		property, found := have.Properties[name]
		if !found {
			t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		agree(t, path+"."+name, property, of.Field(i).Type)
	}
	for name := range have.Properties {
		if !fields[name] {
			t.Errorf("%s.%s is not in the type", path, name)
		}
	}
}

func TestTheSchemaKnowsEveryStateAndCode(t *testing.T) {
	t.Parallel()
	status := readSchema(t).Properties["status"].Properties
	for _, code := range codes {
		if !slices.Contains(status["code"].Enum, code) {
			t.Errorf("code %s is not in the schema", code)
		}
	}
	for _, state := range allStates() {
		if !slices.Contains(status["state"].Enum, state) {
			t.Errorf("state %s is not in the schema", state)
		}
	}
}
