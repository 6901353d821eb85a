//go:build e2e

package plain

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// exported is a Service with an export in each dialect; nothing is behind it.
const exported = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: services}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: web, namespace: services}
---
apiVersion: net.gke.io/v1
kind: ServiceExport
metadata: {name: web, namespace: services}
`

// allImports are those of both dialects.
const allImports = "serviceimports.multicluster.x-k8s.io,serviceimports.net.gke.io"

// testPlainServices turns multi-cluster Services off and on again: everything that was
// exported is withdrawn, an export that is made meanwhile counts for nobody, and counts
// once they are on again.
func testPlainServices(t *testing.T) {
	suite.Each(func(i int) { suite.Kubectl(t, i, "create", "namespace", "services") })
	defer suite.Each(func(i int) { suite.Kubectl(t, i, "delete", "namespace", "services") })
	wantStates(t, "ACTIVE", "OK")
	suite.Apply(t, 2, exported)
	suite.Each(func(i int) { awaitImports(t, i, 2) })

	r := suite.Run(t, 0, slices.Concat([]string{"mcs", "disable", "--yes"}, suite.Members())...)
	t.Logf("disabled within %s", r.Took.Round(time.Millisecond))
	suite.Each(func(i int) { awaitImports(t, i, 0) })
	wantStates(t, "DISABLED", "FAILED")
	suite.Each(func(i int) {
		if left := suite.Kubectl(t, i, "get", "clusterproperties", "-o", "name"); left != "" {
			t.Errorf("c%d still says %s", i, left)
		}
	})
	suite.Apply(t, 2, exported)
	rig.Await(t, "the export counts for nobody", 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, 2, "-n", "services", "get", "serviceexports.multicluster.x-k8s.io", "web", "-o", `jsonpath={.metadata.annotations.eastwest\.dev/off}`)
		if err == nil && out != "true" {
			err = fmt.Errorf("it is marked %q", out)
		}
		return err
	})
	r = suite.Run(t, 0, slices.Concat([]string{"mcs", "enable"}, suite.Members())...)
	t.Logf("enabled within %s", r.Took.Round(time.Millisecond))
	suite.Each(func(i int) { awaitImports(t, i, 2) })
	wantStates(t, "ACTIVE", "OK")
	for _, one := range []string{"serviceexports.multicluster.x-k8s.io", "serviceexports.net.gke.io", "services"} {
		suite.Kubectl(t, 2, "-n", "services", "delete", one, "web")
	}
	suite.Each(func(i int) { awaitImports(t, i, 0) })
}

// awaitImports waits until a cluster has so many imports.
func awaitImports(t *testing.T, i, want int) {
	t.Helper()
	rig.Await(t, fmt.Sprintf("c%d has %d imports", i, want), 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, i, "-n", "services", "get", allImports, "-o", "name")
		if got := len(strings.Fields(out)); err == nil && got != want {
			err = fmt.Errorf("it has %q", out)
		}
		return err
	})
}

// wantStates wants the feature, and each of both members, to be in a state.
func wantStates(t *testing.T, feature, code string) {
	t.Helper()
	var state struct {
		MembershipStates map[string]struct {
			State struct{ Code, Description, UpdateTime string }
		}
		Name          string
		ResourceState struct{ State string }
	}
	suite.Run(t, 0, slices.Concat([]string{"mcs", "describe", "-o", "json"}, suite.Members())...).Decode(t, &state)
	if state.ResourceState.State != feature || path.Base(state.Name) != "multiclusterservicediscovery" || len(state.MembershipStates) != 2 {
		t.Errorf("state %+v", state)
	}
	for name, one := range state.MembershipStates {
		if one.State.Code != code || one.State.UpdateTime == "" {
			t.Errorf("%s: %+v, want %s", name, one.State, code)
		}
	}
}
