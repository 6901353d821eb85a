package lab

import (
	"context"
	"os"
	"path/filepath"

	"github.com/eastwest-mesh/eastwest/lab/internal/build"
	"github.com/eastwest-mesh/eastwest/lab/internal/kube"
	"github.com/eastwest-mesh/eastwest/lab/internal/mesh"
	"github.com/eastwest-mesh/eastwest/lab/internal/node"
	"github.com/eastwest-mesh/eastwest/lab/internal/pki"
)

func (l *Lab) deployIstio(ctx context.Context, c *Cluster) error {
	if c.Spec.Istio == nil {
		return nil
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	install := c.install()
	if err := l.installIstio(ctx, c, client); err != nil {
		return err
	}
	err = kube.Await(ctx, deployPatience, "istiod", func(ctx context.Context) error {
		return client.DeploymentReady(ctx, mesh.Namespace, install.Istiod())
	})
	if err != nil || !c.Spec.Istio.DefaultTag {
		return err
	}
	_, err = c.Exec(ctx, filepath.Join(c.artifacts.Istio, "istioctl"), "tag", "set", "default", "--revision", install.Revision, "--overwrite")
	return err
}

// installIstio applies the namespace and the CA before istiod, which reads both
// when it starts. A note beside the cluster says that all of it was applied.
func (l *Lab) installIstio(ctx context.Context, c *Cluster, client *kube.Client) error {
	install, note := c.install(), c.plan.Path("istio-applied")
	if done, err := os.ReadFile(note); err == nil && string(done) == install.Key() {
		return nil
	}
	if err := client.Apply(ctx, install.NamespaceManifest()); err != nil {
		return err
	}
	if err := l.installCA(ctx, c, client); err != nil {
		return err
	}
	manifests, err := install.Manifests(ctx, filepath.Join(c.artifacts.Istio, "istioctl"))
	if err != nil {
		return err
	}
	if err := client.Apply(ctx, manifests); err != nil {
		return err
	}
	return node.WriteFile(note, []byte(install.Key()), 0o644)
}

// installCA never replaces a CA: certificates below it may be in use.
func (l *Lab) installCA(ctx context.Context, c *Cluster, client *kube.Client) error {
	if there, err := client.HasSecret(ctx, mesh.Namespace, mesh.CASecret); err != nil || there {
		return err
	}
	var root *pki.Pair
	switch c.Spec.Istio.Roots {
	case RootsNone:
		return nil
	case RootsShared:
		unlock, err := lock(ctx, l.Name+"/root", nil)
		if err != nil {
			return err
		}
		root, err = mesh.SharedRoot(l.spec.plan().Dir(), node.WriteFile)
		unlock()
		if err != nil {
			return err
		}
	}
	ca, err := mesh.NewCA(c.Name, root)
	if err != nil {
		return err
	}
	secret, err := ca.Secret()
	if err != nil {
		return err
	}
	return client.Apply(ctx, secret)
}

func (c *Cluster) install() mesh.Install {
	i := c.Spec.Istio
	return mesh.Install{
		Revision: i.Revision, MeshID: i.MeshID, ClusterID: i.ClusterID, Network: i.Network,
		Hub: build.Hub, Tag: build.IstioTag, Values: i.Values,
	}
}
