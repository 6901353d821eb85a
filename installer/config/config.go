// Package config turns the mesh file, or the same thing as flags, into one
// validated value. It owns defaults, strict decoding and the rules on names; it
// contacts nothing and knows no cluster.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// DefaultIstioNamespace is where istiod runs unless the mesh file says otherwise.
const DefaultIstioNamespace = "istio-system"

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

// Decode decodes a mesh file strictly: an unknown or repeated field is an error
// that names its path and, where it can be found, its line.
func Decode(text []byte) (*Mesh, error) {
	mesh := &Mesh{}
	if err := yaml.UnmarshalStrict(text, mesh); err != nil {
		return nil, locate(text, err)
	}
	if mesh.APIVersion != v1alpha1.APIVersion || mesh.Kind != v1alpha1.KindMesh {
		return nil, fmt.Errorf("apiVersion and kind must be %s and %s, not %q and %q",
			v1alpha1.APIVersion, v1alpha1.KindMesh, mesh.APIVersion, mesh.Kind)
	}
	return mesh, nil
}

// locate adds the line of an unknown field to a decoding error.
func locate(text []byte, err error) error {
	message := strings.TrimPrefix(err.Error(), "error unmarshaling JSON: while decoding JSON: json: ")
	_, after, found := strings.Cut(message, "unknown field \"")
	if !found {
		return errors.New(message)
	}
	path, _, _ := strings.Cut(after, "\"")
	field := path[strings.LastIndex(path, ".")+1:]
	var root yamlv3.Node
	if yamlv3.NewDecoder(bytes.NewReader(text)).Decode(&root) != nil {
		return errors.New(message)
	}
	if line := lineOf(&root, field); line > 0 {
		return fmt.Errorf("line %d: unknown field %q", line, path)
	}
	return fmt.Errorf("unknown field %q", path)
}

// lineOf is the line of the first mapping key named field, 0 if there is none.
func lineOf(node *yamlv3.Node, field string) int {
	for i, child := range node.Content {
		if node.Kind == yamlv3.MappingNode && i%2 == 0 && child.Value == field {
			return child.Line
		}
		if line := lineOf(child, field); line > 0 {
			return line
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
