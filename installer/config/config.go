// Package config turns the mesh file, or the same thing as flags, into one
// validated value. It owns defaults, strict decoding and the rules on names; it
// contacts nothing and knows no cluster.
package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// DefaultIstioNamespace is where istiod runs unless the mesh file says otherwise.
const DefaultIstioNamespace = "istio-system"

// What can carry the traffic of a mesh.
const (
	DataplaneIstio = "istio"
	DataplaneEnvoy = "envoy"
)

// Of a mesh without Istio nobody but the mesh file can say these.
const (
	DefaultMesh        = "eastwest"
	DefaultTrustDomain = "cluster.local"
)

// maxFile bounds a mesh file, in bytes.
const maxFile = 1 << 20

// Mesh is the mesh file after defaults.
type Mesh = v1alpha1.Mesh

// Load reads a mesh file; "-" is standard input given as stdin.
func Load(path string, stdin func() ([]byte, error)) (*Mesh, error) {
	text, err := read(path, stdin)
	if err != nil {
		return nil, problem.New(problem.Input, "MeshFileInvalid", "read mesh file %s", path).Because(err)
	}
	if len(text) > maxFile {
		return nil, problem.New(problem.Input, "MeshFileInvalid", "mesh file %s is larger than 1 MiB", path)
	}
	mesh, err := Decode(text)
	if err != nil {
		return nil, problem.New(problem.Input, "MeshFileInvalid", "mesh file %s", path).Because(err).
			WithFix("see docs/reference/mesh-file.md for the fields")
	}
	return mesh, nil
}

func read(path string, stdin func() ([]byte, error)) ([]byte, error) {
	if path == "-" {
		return stdin()
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > maxFile {
		return nil, errors.New("larger than 1 MiB")
	}
	return os.ReadFile(path)
}

// Decode decodes a mesh file strictly: unknown and repeated fields are errors
// that name their paths and lines.
func Decode(text []byte) (*Mesh, error) {
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, errors.New(oneLine(err, "error converting YAML to JSON: "))
	}
	mesh := &Mesh{}
	unknown, err := json.UnmarshalStrict(asJSON, mesh)
	if err != nil {
		return nil, errors.New(oneLine(err, "json: "))
	}
	if len(unknown) > 0 {
		return nil, locate(text, unknown)
	}
	if mesh.APIVersion != v1alpha1.APIVersion || mesh.Kind != v1alpha1.KindMesh {
		return nil, fmt.Errorf("apiVersion and kind must be %s and %s, not %q and %q",
			v1alpha1.APIVersion, v1alpha1.KindMesh, mesh.APIVersion, mesh.Kind)
	}
	return mesh, nil
}

func oneLine(err error, prefix string) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), prefix)), " ")
}

// locate puts the lines of unknown fields before them.
func locate(text []byte, unknown []error) error {
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(text, &root); err != nil || len(root.Content) == 0 {
		return errors.Join(unknown...)
	}
	lines := map[string]int{}
	messages := make([]string, len(unknown))
	for i, one := range unknown {
		messages[i] = one.Error()
		path, err := strconv.Unquote(strings.TrimPrefix(messages[i], "unknown field "))
		if line := lineOf(root.Content[0], path); err == nil && line > 0 {
			messages[i] = fmt.Sprintf("line %d: %s", line, messages[i])
			lines[messages[i]] = line
		}
	}
	slices.SortStableFunc(messages, func(a, b string) int { return lines[a] - lines[b] })
	return errors.New(strings.Join(messages, "; "))
}

// lineOf is the line of the mapping key at a path like spec.clusters[0].name, 0
// if it cannot be found. Keys may hold dots.
func lineOf(node *yamlv3.Node, path string) int {
	if node.Kind == yamlv3.AliasNode {
		node = node.Alias
	}
	if node.Kind == yamlv3.SequenceNode {
		index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		number, err := strconv.Atoi(index)
		if err != nil || number < 0 || number >= len(node.Content) {
			return 0
		}
		return lineOf(node.Content[number], strings.TrimPrefix(rest, "."))
	}
	if node.Kind != yamlv3.MappingNode {
		return 0
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		rest, found := strings.CutPrefix(path, node.Content[i].Value)
		switch {
		case !found:
		case rest == "":
			return node.Content[i].Line
		case rest[0] == '.' || rest[0] == '[':
			if line := lineOf(node.Content[i+1], strings.TrimPrefix(rest, ".")); line > 0 {
				return line
			}
		}
	}
	return 0
}

// Default fills what the user left out. It is idempotent.
func Default(mesh *Mesh) {
	mesh.APIVersion, mesh.Kind = v1alpha1.APIVersion, v1alpha1.KindMesh
	spec := &mesh.Spec
	setDefault(&spec.Topology, "full")
	setDefault(&spec.IstioNamespace, DefaultIstioNamespace)
	setDefault(&spec.Gateway.Namespace, spec.IstioNamespace)
	if len(spec.Expose.Hosts) == 0 {
		spec.Expose.Hosts = []string{"*.local"}
	}
	for i := range spec.Clusters {
		spec.Clusters[i].Gateway = overlay(spec.Gateway, spec.Clusters[i].Gateway)
	}
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// overlay lays a member's gateway over the mesh's defaults. Values are merged
// by render, which keeps both layers apart until then.
func overlay(base, own v1alpha1.Gateway) v1alpha1.Gateway {
	setDefault(&own.Namespace, base.Namespace)
	if own.Public == nil {
		own.Public = base.Public
	}
	if len(own.SourceRanges) == 0 {
		own.SourceRanges = base.SourceRanges
	}
	return own
}
