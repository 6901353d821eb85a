//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab/internal/mesh"
)

// twoContexts is a kubeconfig with two contexts that lead to c1.
func twoContexts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(cluster(1).Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "twice")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := bounded(t)
	defer cancel()
	name := cluster(1).Context
	for _, alias := range []string{"first", "second"} {
		if _, err := output(kubectlCommand(ctx, "--kubeconfig", path, "config", "set-context", alias, "--cluster", name, "--user", name), ""); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// claimVersion makes the istiods of c1 and cluster i say what Istio they are of.
func claimVersion(t *testing.T, i int, mine, theirs string) (undo func()) {
	t.Helper()
	const label = "app.kubernetes.io/version"
	set := func(cluster int, version string) {
		kubectl(t, cluster, "-n", "istio-system", "label", "deployment", "-l", "app=istiod", label+"="+version, "--overwrite")
	}
	was := kubectl(t, 1, "-n", "istio-system", "get", "deployment", "-l", "app=istiod",
		"-o", `jsonpath={.items[0].metadata.labels.app\.kubernetes\.io/version}`)
	set(1, mine)
	set(i, theirs)
	return func() { set(1, was); set(i, was) }
}

// dropCRDs takes Istio's networking API away from a cluster that does not use it.
func dropCRDs(t *testing.T, i int) (undo func()) {
	t.Helper()
	var names []string
	for name := range strings.FieldsSeq(kubectl(t, i, "get", "customresourcedefinitions", "-o", "name")) {
		if strings.HasSuffix(name, ".networking.istio.io") {
			names = append(names, name)
		}
	}
	kubectl(t, i, append([]string{"delete"}, names...)...)
	return func() { reinstall(t, i, func(*mesh.Install) {})() }
}

// forgetReader removes the account that istioctl made for a remote secret.
func forgetReader(t *testing.T, i int) {
	t.Helper()
	kubectl(t, i, "-n", "istio-system", "delete", "secret", "istio-reader-service-account-istio-remote-secret-token", "--ignore-not-found")
}
