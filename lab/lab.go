package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/eastwest-mesh/eastwest/lab/internal/build"
	"github.com/eastwest-mesh/eastwest/lab/internal/host"
	"github.com/eastwest-mesh/eastwest/lab/internal/node"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
	"github.com/eastwest-mesh/eastwest/lab/internal/progress"
)

// Lab is a lab that is up, or was meant to be.
type Lab struct {
	// Name tells it from other labs on the host.
	Name string
	// Bridge is the network device the clusters hang on, BridgeCIDR its network.
	Bridge, BridgeCIDR string
	// Clusters are c1, c2 and so on.
	Clusters []*Cluster

	spec      *spec
	artifacts *build.Artifacts
}

// Up brings the lab up, or completes it: it builds what is not built, starts
// what does not run, and does nothing else to a lab that is whole. Clusters
// come up in parallel; one that fails does not stop the others.
func Up(ctx context.Context, o Options) (*Lab, error) {
	o.Name = orDefault(o.Name, DefaultName)
	board := progress.New(o.Progress)
	want, err := wanted(o)
	if err != nil {
		return nil, err
	}
	if err := host.Check(ctx); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, o.Name, board)
	if err != nil {
		return nil, err
	}
	defer unlock()
	artifacts, err := buildAll(ctx, o, board)
	if err != nil {
		return nil, err
	}
	s, err := record(ctx, want, artifacts, board)
	if err != nil {
		return nil, err
	}
	l := newLab(s, artifacts)
	err = l.bringUp(ctx, board)
	if ctx.Err() != nil {
		return l, fmt.Errorf("bring up lab %q: %w; fix: lab up goes on from here, lab down removes it", l.Name, context.Cause(ctx))
	}
	if err != nil {
		return l, fmt.Errorf("bring up lab %q: %w", l.Name, err)
	}
	return l, nil
}

// Build builds everything a lab is made of, and says nothing of where.
func Build(ctx context.Context, o Options) error {
	_, err := buildAll(ctx, o, progress.New(o.Progress))
	return err
}

// Open finds a lab that was brought up before.
func Open(name string) (*Lab, error) {
	s, err := loadSpec(name)
	if err != nil {
		return nil, err
	}
	artifacts, err := loadArtifacts(name)
	if err != nil {
		return nil, err
	}
	return newLab(s, artifacts), nil
}

// Cluster is the cluster with this index, counted from 1.
func (l *Lab) Cluster(index int) (*Cluster, error) {
	if index < 1 || index > len(l.Clusters) {
		return nil, fmt.Errorf("lab %q has no cluster %d: it has %d", l.Name, index, len(l.Clusters))
	}
	return l.Clusters[index-1], nil
}

// Images are the archives of the lab's images by full name.
func (l *Lab) Images() map[string]string {
	images := map[string]string{}
	for short, path := range l.artifacts.Images {
		images[build.ImageName(short)] = path
	}
	return images
}

func newLab(s *spec, artifacts *build.Artifacts) *Lab {
	p := s.plan()
	l := &Lab{Name: s.Name, Bridge: p.Bridge(), BridgeCIDR: p.BridgeCIDR(), spec: s, artifacts: artifacts}
	for i, c := range s.Clusters {
		l.Clusters = append(l.Clusters, newCluster(p.Cluster(i+1), c, artifacts))
	}
	return l
}

// wanted is what the options ask for. Options that do not say anything about the
// lab's shape mean the lab there is.
func wanted(o Options) (*spec, error) {
	if err := plan.CheckName(o.Name); err != nil {
		return nil, err
	}
	if o.Clusters != 0 {
		return o.want()
	}
	have, err := loadSpec(o.Name)
	if err != nil {
		o.Clusters = 1
		return o.want()
	}
	if o.Istio == nil && o.Each == nil && !o.Flat && !o.SameCIDRs {
		return have, nil
	}
	o.Clusters = len(have.Clusters)
	return o.want()
}

func buildAll(ctx context.Context, o Options, board *progress.Board) (*build.Artifacts, error) {
	if o.Source == "" {
		source, err := FindSource()
		if err != nil {
			return nil, err
		}
		o.Source = source
	}
	return build.All(ctx, build.Options{Source: o.Source, Cache: o.Cache, Board: board})
}

// record settles what the lab is and stores it, before anything is made.
func record(ctx context.Context, want *spec, artifacts *build.Artifacts, board *progress.Board) (*spec, error) {
	unlock, err := lock(ctx, "host", board)
	if err != nil {
		return nil, err
	}
	defer unlock()
	have, err := loadSpec(want.Name)
	if err != nil && !errors.Is(err, ErrNotUp) {
		return nil, err
	}
	if have == nil {
		if err := allot(ctx, want); err != nil {
			return nil, err
		}
	}
	s, err := settle(have, want)
	if err != nil {
		return nil, err
	}
	if err := host.Settle(node.WriteFile); err != nil {
		return nil, err
	}
	dir := s.plan().Dir()
	if err := storeJSON(filepath.Join(dir, artifactsFile), artifacts); err != nil {
		return nil, fmt.Errorf("store state: %w", err)
	}
	if err := storeJSON(filepath.Join(dir, specFile), s); err != nil {
		return nil, fmt.Errorf("store state: %w", err)
	}
	return s, host.EnsureBridge(ctx, s.plan())
}

// bringUp brings all clusters up in parallel.
func (l *Lab) bringUp(ctx context.Context, board *progress.Board) error {
	errs := make([]error, len(l.Clusters))
	var wg sync.WaitGroup
	for i, c := range l.Clusters {
		wg.Go(func() {
			task := board.Task(c.plan.Context())
			if err := l.bringUpCluster(ctx, c, task); err != nil {
				task.Done("failed: %v", err)
				errs[i] = fmt.Errorf("cluster %s: %w", c.Name, err)
				return
			}
			task.Done("ready: %s, node %s", c.Kubeconfig, c.NodeIP)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
