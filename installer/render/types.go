package render

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"golang.org/x/mod/semver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/mcs-api/config/crd"

	"github.com/eastwest-mesh/eastwest/manifests"
)

// typesFolder holds the CRDs of our own types.
const typesFolder = "charts/eastwest-agent/crds"

// Types are the CRDs that the agent needs: our own, and those of the
// multi-cluster services API.
func Types() ([]*unstructured.Unstructured, error) {
	texts := [][]byte{crd.ServiceExportCRD, crd.ServiceImportCRD}
	entries, err := fs.ReadDir(manifests.FS, typesFolder)
	if err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	for _, entry := range entries {
		text, err := manifests.FS.ReadFile(path.Join(typesFolder, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read type %s: %w", entry.Name(), err)
		}
		texts = append(texts, text)
	}
	var types []*unstructured.Unstructured
	for _, text := range texts {
		parsed, err := Objects(text)
		if err != nil {
			return nil, fmt.Errorf("decode types: %w", err)
		}
		types = append(types, parsed...)
	}
	for _, one := range types {
		unstructured.RemoveNestedField(one.Object, "status")
		unstructured.RemoveNestedField(one.Object, "metadata", "creationTimestamp")
	}
	Sort(types)
	return types, nil
}

// Labels of the types that are not of the multi-cluster services API: the release that
// brought them, and the revision of the schema within it.
const (
	typeRelease  = "eastwest.dev/release-version"
	typeRevision = "eastwest.dev/crd-schema-revision"
)

// NewerType reports whether a CRD is of a later release than another, by the
// labels of the multi-cluster services API, else by ours: first the release, then the
// schema's revision within it.
func NewerType(one, than *unstructured.Unstructured) bool {
	a, b := one.GetLabels(), than.GetLabels()
	return newer(a, b, crd.ReleaseVersionLabel, crd.CustomResourceDefinitionSchemaRevisionLabel) || newer(a, b, typeRelease, typeRevision)
}

func newer(a, b map[string]string, release, revision string) bool {
	if order := semver.Compare(a[release], b[release]); order != 0 {
		return order > 0
	}
	return number(a[revision]) > number(b[revision])
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return value
}
