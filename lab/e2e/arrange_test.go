//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab/internal/mesh"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
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

// claimVersion runs the istiod of cluster i from an image whose tag says that it
// is of another Istio: the lab has only one.
func claimVersion(t *testing.T, i int, version string) (undo func()) {
	t.Helper()
	socket := plan.Lab{Name: labName}.Cluster(i).ContainerdSocket()
	images := func(args ...string) {
		inNetns(t, i, append([]string{"ctr", "--address", socket, "--namespace", "k8s.io", "images"}, args...)...)
	}
	run := func(image string) {
		kubectl(t, i, "-n", mesh.Namespace, "set", "image", "deployment/istiod-"+revision(), "discovery="+image)
		kubectl(t, i, "-n", mesh.Namespace, "rollout", "status", "deployment/istiod-"+revision(), "--timeout=2m")
	}
	was := kubectl(t, i, "-n", mesh.Namespace, "get", "deployment", "istiod-"+revision(), "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	repository, _, _ := strings.Cut(was, ":")
	images("tag", was, repository+":"+version)
	run(repository + ":" + version)
	return func() {
		run(was)
		images("rm", repository+":"+version)
	}
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
