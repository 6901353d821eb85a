package render

import (
	"testing"

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
