package render

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/mcs-api/config/crd"

	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// TestChartOfTypes keeps the chart for those who install types themselves equal to
// what eastwest installs.
func TestChartOfTypes(t *testing.T) {
	t.Parallel()
	const folder = "../../manifests/charts/eastwest-mcs-crds/crds/"
	golden.Check(t, folder+"multicluster.x-k8s.io_serviceexports.yaml", crd.ServiceExportCRD)
	golden.Check(t, folder+"multicluster.x-k8s.io_serviceimports.yaml", crd.ServiceImportCRD)
	loaded, err := load("eastwest-mcs-crds")
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(); err != nil {
		t.Error(err)
	}
	found := loaded.CRDObjects()
	if len(found) != 2 {
		t.Errorf("%d types", len(found))
	}
	for _, one := range found {
		objects, err := Objects(one.File.Data)
		if err != nil || len(objects) != 1 {
			t.Fatalf("%s: %d objects, %v", one.Name, len(objects), err)
		}
		if release := objects[0].GetLabels()[crd.ReleaseVersionLabel]; release != loaded.Metadata.AppVersion {
			t.Errorf("%s is of release %s, the chart says %s", one.Name, release, loaded.Metadata.AppVersion)
		}
	}
}

// TestASchemaThatChangedHasAnotherRevision: without one an older eastwest would write
// its own over it.
func TestASchemaThatChangedHasAnotherRevision(t *testing.T) {
	t.Parallel()
	const path = "testdata/types.txt"
	before, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	types, err := Types()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	for _, one := range types {
		labels := one.GetLabels()
		if labels[crd.ReleaseVersionLabel] != "" {
			continue // theirs, with labels of their own
		}
		if labels[typeRelease] == "" || number(labels[typeRevision]) == 0 {
			t.Errorf("%s says neither release nor revision: %v", one.GetName(), labels)
		}
		text, err := json.Marshal(one.Object["spec"])
		if err != nil {
			t.Fatal(err)
		}
		head := fmt.Sprintf("%s %s/%s ", one.GetName(), labels[typeRelease], labels[typeRevision])
		entry := fmt.Sprintf("%s%x", head, sha256.Sum256(text))
		if strings.Contains(string(before), head) && !strings.Contains(string(before), entry) {
			t.Errorf("the schema of %s changed: raise its label %s, then go test -update", one.GetName(), typeRevision)
		}
		page.WriteString(entry + "\n")
	}
	golden.Check(t, path, []byte(page.String()))
}

// TestNewerType: a later one is never written over.
func TestNewerType(t *testing.T) {
	t.Parallel()
	of := func(labels ...string) *unstructured.Unstructured {
		out, all := &unstructured.Unstructured{}, map[string]string{}
		for i := 0; i < len(labels); i += 2 {
			all[labels[i]] = labels[i+1]
		}
		out.SetLabels(all)
		return out
	}
	mcs, rev := crd.ReleaseVersionLabel, crd.CustomResourceDefinitionSchemaRevisionLabel
	for name, tc := range map[string]struct {
		found, offered *unstructured.Unstructured
		want           bool
	}{
		"nobody says":                 {of(), of(), false},
		"the same":                    {of(typeRelease, "v0.1.0", typeRevision, "2"), of(typeRelease, "v0.1.0", typeRevision, "2"), false},
		"from before there were any":  {of(), of(typeRelease, "v0.1.0"), false},
		"a later release of ours":     {of(typeRelease, "v0.10.0"), of(typeRelease, "v0.9.0", typeRevision, "3"), true},
		"an earlier release of ours":  {of(typeRelease, "v0.9.0", typeRevision, "3"), of(typeRelease, "v0.10.0"), false},
		"a later revision of ours":    {of(typeRelease, "v0.1.0", typeRevision, "10"), of(typeRelease, "v0.1.0", typeRevision, "9"), true},
		"a later release of the API":  {of(mcs, "v0.6.0"), of(mcs, "v0.5.2", rev, "1"), true},
		"a later revision of the API": {of(mcs, "v0.5.2", rev, "1"), of(mcs, "v0.5.2", rev, "0"), true},
	} {
		if got := NewerType(tc.found, tc.offered); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
