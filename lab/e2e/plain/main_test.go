//go:build e2e

package plain

import (
	"cmp"
	"os"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/objects"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// suite is what all tests share. Tests do not run in parallel.
var suite struct {
	rig.Rig
	// baseline are the objects of the clusters before they were joined.
	baseline []objects.Snapshot
}

func TestMain(m *testing.M) {
	o := lab.Options{Name: cmp.Or(os.Getenv("EASTWEST_E2E_PLAIN_LAB"), "plain"), Clusters: 2}
	os.Exit(rig.Main(m, &suite.Rig, o, "../../../bin/eastwest"))
}

// TestPlain is the life of a mesh without Istio. Its parts share the clusters and
// follow each other; each leaves them in order.
func TestPlain(t *testing.T) {
	wantApart(t)
	suite.baseline = suite.Snapshots(t)
	if !t.Run("two clusters become a mesh, and every link is proved", testPlainUp) {
		t.FailNow() // nothing of the rest can hold
	}
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"whoever does it again changes nothing", testPlainAgain},
		{"status", testPlainStatus},
		{"a pod calls by name", testPlainNames},
		{"a Corefile is its owner's", testPlainOwnDNS},
		{"multi-cluster Services are turned off and on", testPlainServices},
		{"a namespace that is there", testPlainNamespace},
		{"Ctrl-C", testPlainInterrupted},
		{"faults", testPlainFaults},
		{"down leaves what was before up", testPlainDown},
	} {
		t.Run(part.name, part.run)
	}
}
