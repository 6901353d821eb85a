//go:build e2e

package plainfaults

import (
	"cmp"
	"os"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// suite is what all tests share. Tests do not run in parallel.
var suite rig.Rig

func TestMain(m *testing.M) {
	o := lab.Options{Name: cmp.Or(os.Getenv("EASTWEST_E2E_PLAINFAULTS_LAB"), "pf"), Clusters: 3}
	os.Exit(rig.Main(m, &suite, o, "../../../bin/eastwest"))
}

// TestPlainFaults makes a mesh of three clusters and breaks parts of it. Its parts
// follow each other; each leaves the mesh whole.
func TestPlainFaults(t *testing.T) {
	makeMesh(t)
	makeShop(t)
	if !t.Run("every cluster reaches every producer", testReach) {
		t.FailNow() // nothing of the rest can hold
	}
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"a shared service is answered by weight", testWeight},
		{"exporters say who is called", testWishes},
		{"requests of one connection", testBalance},
		{"figure: from a changed slice to the data path", testDelay},
		{"an export is withdrawn and made again", testExport},
		{"a port that gateways do not carry", testUDP},
		{"F01 the API server of a member is killed", testAPIKilled},
		{"F02 the API server of a member is frozen", testAPIFrozen},
		{"F39 the gateway of a member is killed", testGatewayKilled},
		{"F26 the agent that writes is killed", testLeaderKilled},
		{"F33 agents are told to stop", testAgentsStopped},
		{"F56 all agents are killed", testAgentsKilled},
		{"F25 agents start while a member is down", testStartWithoutMember},
		{"F53 the agents' DNS is flooded in somebody's name", testDNSFlood},
		{"F54 connections to the agents' DNS that say nothing", testDNSConnections},
		{"F57 a whole cluster is lost", testClusterLost},
	} {
		t.Run(part.name, part.run)
	}
	suite.Down(t)
}

// makeMesh starts from nothing, whatever an earlier run left.
func makeMesh(t *testing.T) {
	t.Helper()
	suite.Each(func(i int) {
		suite.Rejoin(t, i)
		resume(t, i)
		suite.Kubectl(t, i, "delete", "namespace", shop, "--ignore-not-found")
	})
	suite.Down(t)
	r := suite.Run(t, 0, suite.Up(suite.Members()...)...)
	t.Logf("up took %s", r.Took.Round(time.Second))
}
