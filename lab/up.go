package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/internal/build"
	"github.com/eastwest-mesh/eastwest/lab/internal/host"
	"github.com/eastwest-mesh/eastwest/lab/internal/kube"
	"github.com/eastwest-mesh/eastwest/lab/internal/node"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
	"github.com/eastwest-mesh/eastwest/lab/internal/progress"
)

// Patience with each part of a cluster; nine clusters may share two cores.
const (
	apiPatience    = 4 * time.Minute
	nodePatience   = 5 * time.Minute
	deployPatience = 8 * time.Minute
)

// bringUpCluster is the whole story of one cluster. Every step may find its
// work done already, by an earlier call that was interrupted or not.
func (l *Lab) bringUpCluster(ctx context.Context, c *Cluster, task *progress.Task) error {
	for _, step := range []struct {
		name string
		do   func(ctx context.Context, c *Cluster) error
	}{
		{"network", l.network},
		{"configuration", l.configure},
		{"API server", l.startControlPlane},
		{"container runtime", l.startRuntime},
		{"node", l.startNode},
		{"images", l.loadImages},
		{"DNS", l.deployDNS},
		{"Istio", l.deployIstio},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		task.Step("%s", step.name)
		if err := step.do(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (l *Lab) network(ctx context.Context, c *Cluster) error {
	if err := host.EnsureNetns(ctx, c.plan); err != nil {
		return err
	}
	if !l.spec.Flat {
		return nil
	}
	var peers []plan.Cluster
	for _, peer := range l.Clusters {
		if peer != c {
			peers = append(peers, peer.plan)
		}
	}
	return host.Flatten(ctx, c.plan, peers)
}

func (l *Lab) configure(_ context.Context, c *Cluster) error {
	return errors.Join(
		node.Prepare(c.plan),
		// Volumes which the kubelet mounts must show in containerd's mount
		// namespace, and what Down unmounts must go from every kubelet's.
		host.ShareMount(c.plan.Dir()),
		host.ShareMount(c.plan.RunDir()),
	)
}

func (l *Lab) startControlPlane(ctx context.Context, c *Cluster) error {
	for _, component := range []string{node.Etcd, node.APIServer} {
		if err := c.Start(ctx, component); err != nil {
			return err
		}
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	return kube.Await(ctx, apiPatience, "the API server", func(ctx context.Context) error {
		// A first start of etcd may be too slow for the API server, which then ends.
		for _, component := range []string{node.Etcd, node.APIServer} {
			if err := c.Start(ctx, component); err != nil {
				return err
			}
		}
		if err := client.APIReady(ctx); err != nil {
			return fmt.Errorf("%w (log: %s)", err, c.plan.Log(node.APIServer))
		}
		return nil
	})
}

func (l *Lab) startRuntime(ctx context.Context, c *Cluster) error {
	for _, component := range []string{node.ControllerManager, node.Scheduler, node.Containerd} {
		if err := c.Start(ctx, component); err != nil {
			return err
		}
	}
	err := kube.Await(ctx, nodePatience, "containerd", func(ctx context.Context) error {
		_, err := c.Exec(ctx, "ctr", "--address", c.plan.ContainerdSocket(), "--timeout", "2s", "version")
		return err
	})
	if err != nil {
		return err
	}
	return l.loadMissing(ctx, c, build.NodeImages())
}

func (l *Lab) startNode(ctx context.Context, c *Cluster) error {
	for _, component := range []string{node.Kubelet, node.Proxy, node.Balancer} {
		if err := c.Start(ctx, component); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) loadImages(ctx context.Context, c *Cluster) error {
	own := build.PlainImages()
	if c.Spec.Istio != nil {
		own = build.MeshImages()
	}
	return l.loadMissing(ctx, c, slices.Concat(build.AgentImages(), own, build.SampleImages()))
}

// loadMissing imports the images which the cluster does not have in the
// version that was built last.
func (l *Lab) loadMissing(ctx context.Context, c *Cluster, names []string) error {
	record := c.plan.Path("images.json")
	loaded := map[string]string{}
	if err := loadJSON(record, &loaded); err != nil && !errors.Is(err, os.ErrNotExist) {
		loaded = map[string]string{}
	}
	before := maps.Clone(loaded)
	for _, name := range names {
		archive := l.artifacts.Images[name]
		if loaded[name] == archive {
			continue
		}
		if err := c.LoadImage(ctx, archive); err != nil {
			return err
		}
		loaded[name] = archive
	}
	if maps.Equal(before, loaded) {
		return nil
	}
	return storeJSON(record, loaded)
}

func (l *Lab) deployDNS(ctx context.Context, c *Cluster) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	err = kube.Await(ctx, nodePatience, "the node", func(ctx context.Context) error {
		return client.NodeReady(ctx, c.NodeName)
	})
	if err != nil {
		return err
	}
	if err := client.DeploymentReady(ctx, "kube-system", "coredns"); err == nil {
		return nil
	}
	if err := client.Apply(ctx, kube.CoreDNS(build.ImageName("coredns"), c.plan.DNSIP())); err != nil {
		return err
	}
	return kube.Await(ctx, deployPatience, "CoreDNS", func(ctx context.Context) error {
		return client.DeploymentReady(ctx, "kube-system", "coredns")
	})
}
