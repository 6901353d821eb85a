// Package render turns our charts and the user's values into sorted objects.
// It is pure: no cluster, no clock, no files but the embedded charts, and equal
// input gives equal bytes.
//
// It must not know what the objects are for; which values a member gets is
// decided by its callers.
package render

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/manifests"
)

// Values are Helm values: nested maps as they come from YAML.
type Values map[string]any

// Release says what is rendered.
type Release struct {
	// Chart is a folder name under manifests/charts.
	Chart string
	// Namespace of the objects.
	Namespace string
	// Layers are laid over the chart's own values, later ones win.
	Layers []Values
}

// kubeVersion is what the charts are told the cluster runs: offline there is
// none to ask, and no template of ours branches on it.
const kubeVersion = "v1.36.0"

// Chart renders a release. A value the chart does not know, or of the wrong
// type, is a problem of kind Input that names its path.
func Chart(release Release) ([]*unstructured.Unstructured, error) {
	loaded, err := load(release.Chart)
	if err != nil {
		return nil, err
	}
	values := Merge(release.Layers...)
	if err := checkValues(loaded, values); err != nil {
		return nil, err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: kubeVersion, Major: "1", Minor: "36"}
	options := chartutil.ReleaseOptions{Name: release.Chart, Namespace: release.Namespace, IsInstall: true}
	top, err := chartutil.ToRenderValues(loaded, values, options, capabilities)
	if err != nil {
		return nil, invalidValues(release.Chart, err)
	}
	files, err := engine.Render(loaded, top)
	if err != nil {
		return nil, invalidValues(release.Chart, err)
	}
	return parse(files)
}

// CheckValues rejects values of a chart as Chart would, without rendering it.
func CheckValues(name string, layers ...Values) error {
	loaded, err := load(name)
	if err != nil {
		return err
	}
	return checkValues(loaded, Merge(layers...))
}

// checkValues merges without Helm, which prints warnings of its own where a map
// meets what is none.
func checkValues(loaded *chart.Chart, values Values) error {
	merged := Merge(loaded.Values, values)
	dropNulls(merged)
	if err := chartutil.ValidateAgainstSchema(loaded, map[string]any(merged)); err != nil {
		return invalidValues(loaded.Name(), err)
	}
	return nil
}

// dropNulls removes what the user set to null: the chart's default goes with it.
func dropNulls(values map[string]any) {
	for name, value := range values {
		if nested, isMap := value.(map[string]any); isMap {
			dropNulls(nested)
		} else if value == nil {
			delete(values, name)
		}
	}
}

func invalidValues(name string, err error) error {
	text := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), name+": - ")
	return problem.New(problem.Input, "ValuesInvalid", "values of chart %s: %s", name, text).
		WithFix("see the values.yaml of the chart for the names and types it knows")
}

// load reads a chart from the embedded files.
func load(name string) (*chart.Chart, error) {
	root := path.Join("charts", name)
	var files []*loader.BufferedFile
	err := fs.WalkDir(manifests.FS, root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := manifests.FS.ReadFile(file)
		files = append(files, &loader.BufferedFile{Name: strings.TrimPrefix(file, root+"/"), Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read chart %s: %w", name, err)
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load chart %s: %w", name, err)
	}
	return loaded, nil
}

// parse splits rendered files into objects and sorts them.
func parse(files map[string]string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for name, text := range files {
		if strings.HasPrefix(path.Base(name), "_") || strings.HasSuffix(name, ".txt") {
			continue
		}
		parsed, err := Objects([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		objects = append(objects, parsed...)
	}
	Sort(objects)
	return objects, nil
}

// Objects decodes a stream of YAML documents; empty documents are skipped.
func Objects(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, document := range bytes.Split(append([]byte("\n"), text...), []byte("\n---")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// kindOrder is the order of creation for the kinds we render; kinds that are
// not listed come last, by name.
var kindOrder = map[string]int{
	"Namespace": 1, "CustomResourceDefinition": 2, "ServiceAccount": 3, "Secret": 4, "ConfigMap": 5,
	"ClusterRole": 6, "ClusterRoleBinding": 7, "Role": 8, "RoleBinding": 9, "Service": 10, "Deployment": 11,
	"HorizontalPodAutoscaler": 12, "PodDisruptionBudget": 13,
}

// Sort puts objects into the order of creation: by kind, namespace, name.
func Sort(objects []*unstructured.Unstructured) {
	rank := func(o *unstructured.Unstructured) int {
		if r, ok := kindOrder[o.GetKind()]; ok {
			return r
		}
		return len(kindOrder) + 1
	}
	sort.SliceStable(objects, func(i, j int) bool {
		a, b := objects[i], objects[j]
		if rank(a) != rank(b) {
			return rank(a) < rank(b)
		}
		return a.GetKind()+"/"+a.GetNamespace()+"/"+a.GetName() < b.GetKind()+"/"+b.GetNamespace()+"/"+b.GetName()
	})
}

// YAML is the objects as one stream of documents.
func YAML(objects []*unstructured.Unstructured) ([]byte, error) {
	var out bytes.Buffer
	for i, object := range objects {
		if i > 0 {
			out.WriteString("---\n")
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}
