package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// TestCorpus translates testdata/*.txtar: scene.yaml in, want/*.yaml out, one file
// per kind of resource.
func TestCorpus(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		text, _ := in.Input("scene.yaml")
		var asked scene
		if err := yaml.UnmarshalStrict(text, &asked); err != nil {
			t.Fatal(err)
		}
		view, from, options := asked.build(t)
		set := Gateway(view, from, options)
		checkValid(t, set)
		out := map[string][]byte{}
		show(t, out, "clusters.yaml", asked.Only, set.Clusters)
		show(t, out, "endpoints.yaml", asked.Only, decoded(t, set.Endpoints))
		show(t, out, "listeners.yaml", asked.Only, set.Listeners)
		show(t, out, "secrets.yaml", asked.Only, set.Secrets)
		if len(set.Problems) > 0 {
			var lines []string
			for _, one := range set.Problems {
				lines = append(lines, fmt.Sprintf("%s%s: %s: %s", one.Member, strings.TrimSuffix(one.Service.String(), "/"), one.Reason, one.Message))
			}
			out["problems.yaml"] = marshalYAML(t, lines)
		}
		return out
	})
}

// show writes the resources that a case is about; a kind without any has no file.
func show[M proto.Message](t *testing.T, out map[string][]byte, file string, only []string, resources []M) {
	t.Helper()
	var shown []any
	for _, one := range resources {
		name := nameOf(one)
		if len(only) > 0 && !slices.ContainsFunc(only, func(part string) bool { return strings.Contains(name, part) }) {
			continue
		}
		text, err := protojson.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatal(err)
		}
		shown = append(shown, plain)
	}
	if len(shown) > 0 {
		out[file] = marshalYAML(t, shown)
	}
}

// nameOf is a resource's name with its kind before it, so that a case can ask for
// one kind only.
func nameOf(resource proto.Message) string {
	switch one := resource.(type) {
	case interface{ GetClusterName() string }:
		return "endpoints " + one.GetClusterName()
	case interface {
		GetName() string
		GetFilterChains() []*listenerv3.FilterChain
	}:
		return "listener " + one.GetName()
	case *tlsv3.Secret:
		return "secret " + one.GetName()
	case interface{ GetName() string }:
		return "cluster " + one.GetName()
	}
	return ""
}

func marshalYAML(t *testing.T, value any) []byte {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
