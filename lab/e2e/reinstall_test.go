//go:build e2e

package e2e

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/lab/internal/build"
	"github.com/eastwest-mesh/eastwest/lab/internal/kube"
	"github.com/eastwest-mesh/eastwest/lab/internal/mesh"
)

// reinstall installs Istio in cluster i once more with other values, as its
// administrator would, and returns how it was before.
func reinstall(t *testing.T, i int, change func(*mesh.Install)) (undo func()) {
	t.Helper()
	c := cluster(i)
	is := c.Spec.Istio
	before := mesh.Install{
		Revision: is.Revision, MeshID: is.MeshID, ClusterID: is.ClusterID, Network: is.Network,
		Hub: build.Hub, Tag: build.IstioTag, Values: is.Values,
	}
	after := before
	change(&after)
	install(t, i, after)
	return func() { install(t, i, before) }
}

func install(t *testing.T, i int, wanted mesh.Install) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	tools := suite.lab.Tools()
	manifests, err := wanted.Manifests(ctx, tools.Istioctl)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kube.New(cluster(i).Kubeconfig, tools.Kubectl)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Apply(ctx, wanted.NamespaceManifest()+"---\n"+manifests); err != nil {
		t.Fatal(err)
	}
	kubectl(t, i, "-n", mesh.Namespace, "rollout", "status", "deployment", wanted.Istiod(), "--timeout=2m")
}
