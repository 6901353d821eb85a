//go:build e2e

package mcs

import (
	"cmp"
	"os"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

var suite rig.Rig

func TestMain(m *testing.M) {
	o := lab.Options{Name: cmp.Or(os.Getenv("EASTWEST_E2E_MCS_LAB"), "mcs"), Clusters: 3, Flat: true}
	os.Exit(rig.Main(m, &suite, o, "../../../bin/eastwest"))
}

// TestMultiClusterServices walks one mesh through everything, since a mesh takes
// longer to make than most of it.
func TestMultiClusterServices(t *testing.T) {
	suite.Down(t)
	suite.Run(t, 0, suite.Up(append(suite.Members(), "--network", "flat")...)...)
	t.Run("two clusters conform", func(t *testing.T) { conforms(t, 2) })
	t.Run("three clusters conform", func(t *testing.T) { conforms(t, 3) })
	t.Run("the guide", guide)
	t.Run("what goes wrong", rows)
	suite.Down(t)
}
