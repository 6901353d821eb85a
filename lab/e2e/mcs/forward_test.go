//go:build e2e

package mcs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// forward points a cluster's own DNS at its agent for the names of the set, until the
// test ends.
func forward(t *testing.T, i int) {
	t.Helper()
	address := suite.Kubectl(t, i, "-n", rig.Namespace, "get", "service", "eastwest-dns", "-o", "jsonpath={.spec.clusterIP}")
	corefile := suite.Kubectl(t, i, "-n", "kube-system", "get", "configmap", "coredns", "-o", "jsonpath={.data.Corefile}")
	corefile, _, _ = strings.Cut(corefile, "clusterset.local:53")
	corefile = strings.TrimRight(corefile, "\n") + "\n"
	t.Cleanup(func() { setCorefile(t, i, corefile) })
	setCorefile(t, i, fmt.Sprintf("%s\nclusterset.local:53 {\n    forward . %s\n}\n", corefile, address))
	// Restarted, it has read the file for certain.
	suite.Kubectl(t, i, "-n", "kube-system", "rollout", "restart", "deployment/coredns")
	suite.Kubectl(t, i, "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s")
}

func setCorefile(t *testing.T, i int, content string) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"data": map[string]string{"Corefile": content}})
	if err != nil {
		t.Fatal(err)
	}
	suite.Kubectl(t, i, "-n", "kube-system", "patch", "configmap", "coredns", "--type=merge", "-p", string(patch))
}
