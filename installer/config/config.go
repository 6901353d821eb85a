// Package config turns the mesh file, or the same thing as flags, into one
// validated value. It owns defaults, strict decoding and the rules on names; it
// contacts nothing and knows no cluster.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/strictyaml"
)

// DefaultIstioNamespace is where istiod runs unless the mesh file says otherwise.
const DefaultIstioNamespace = "istio-system"

// What can carry the traffic of a mesh.
const (
	DataplaneIstio = "istio"
	DataplaneEnvoy = "envoy"
)

// Who makes the clusters' own DNS ask the agents for clusterset.local.
const (
	DNSAuto   = "auto"
	DNSManual = "manual"
	DNSOff    = "off"
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
	mesh := &Mesh{}
	if wrong := strictyaml.Decode(text, mesh); len(wrong) > 0 {
		messages := make([]string, len(wrong))
		for i, one := range wrong {
			messages[i] = one.Error()
		}
		return nil, errors.New(strings.Join(messages, "; "))
	}
	if mesh.APIVersion != v1alpha1.APIVersion || mesh.Kind != v1alpha1.KindMesh {
		return nil, fmt.Errorf("apiVersion and kind must be %s and %s, not %q and %q",
			v1alpha1.APIVersion, v1alpha1.KindMesh, mesh.APIVersion, mesh.Kind)
	}
	return mesh, nil
}

// Default fills what the user left out. It is idempotent.
func Default(mesh *Mesh) {
	mesh.APIVersion, mesh.Kind = v1alpha1.APIVersion, v1alpha1.KindMesh
	spec := &mesh.Spec
	setDefault(&spec.Topology, "full")
	setDefault(&spec.DNS, DNSAuto)
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
