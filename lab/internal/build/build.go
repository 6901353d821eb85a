// Package build makes everything a lab is built of: executables by the Go
// toolchain, Envoy from its Python wheel, the Debian base image by debootstrap,
// and container images from those. Results are cached by the content of what
// they are made from, so nothing unchanged is made twice.
package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/eastwest-mesh/eastwest/lab/internal/progress"
)

// Options say what to build from, and where to.
type Options struct {
	// Source is the root of the source tree; see FindSource.
	Source string
	// Cache is the directory to build into; empty means CacheDir.
	Cache string
	// Board shows progress; nil shows nothing.
	Board *progress.Board
}

// Artifacts are the results of a build.
type Artifacts struct {
	// Kubernetes has etcd, kubectl and the kube-* components.
	Kubernetes string `json:"kubernetes"`
	// Istio has istioctl, pilot-discovery and pilot-agent.
	Istio string `json:"istio"`
	// Lab is the lab's own executable.
	Lab string `json:"lab"`
	// Envoy is the Envoy executable.
	Envoy string `json:"envoy"`
	// Images are the image archives by short name.
	Images map[string]string `json:"images"`
}

// builder is one build under way.
type builder struct {
	source    string
	cache     cache
	board     *progress.Board
	goVersion string
	// total counts components and images, cached those that were there already.
	total, cached atomic.Int32
}

// All builds whatever is missing and says where everything is.
func All(ctx context.Context, o Options) (*Artifacts, error) {
	b, err := newBuilder(ctx, o)
	if err != nil {
		return nil, err
	}
	var goDirs map[string]string
	var base, net, envoy string
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { goDirs, err = b.goComponents(gctx); return err })
	group.Go(func() (err error) { base, err = b.base(gctx, "base", basePackages); return err })
	group.Go(func() (err error) { net, err = b.base(gctx, "base-net", netPackages); return err })
	group.Go(func() (err error) { envoy, err = b.envoy(gctx); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	images, err := b.images(ctx, imageInputs{dirs: goDirs, base: base, net: net, envoy: envoy})
	if err != nil {
		return nil, err
	}
	b.board.Task("build").Done("up to date; %d of %d components and images were cached", b.cached.Load(), b.total.Load())
	return &Artifacts{
		Kubernetes: goDirs["kubernetes"],
		Istio:      goDirs["istio"],
		Lab:        filepath.Join(goDirs["lab"], "lab"),
		Envoy:      envoy,
		Images:     images,
	}, nil
}

func newBuilder(ctx context.Context, o Options) (*builder, error) {
	if o.Cache == "" {
		dir, err := CacheDir()
		if err != nil {
			return nil, err
		}
		o.Cache = dir
	}
	version, err := goVersion(ctx)
	if err != nil {
		return nil, err
	}
	return &builder{source: o.Source, cache: cache{root: o.Cache}, board: o.Board, goVersion: version}, nil
}

func goVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "version").Output()
	if err != nil {
		return "", fmt.Errorf("run go (Go 1.26 or newer must be in PATH): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// make builds one entry of the cache, with a line of progress if it has to.
func (b *builder) make(ctx context.Context, component, key string, fill func(dir string) error) (string, error) {
	b.total.Add(1)
	task := b.board.Task(component)
	path, made, err := b.cache.ensure(ctx, component, key, func(dir string) error {
		task.Step("building")
		return fill(dir)
	})
	switch {
	case err != nil:
		task.Done("failed")
		return "", fmt.Errorf("build %s: %w", component, err)
	case made:
		task.Done("built")
	default:
		b.cached.Add(1)
	}
	return path, nil
}

// FindSource finds the source tree: the nearest directory with lab/components
// at or above the working directory or, failing that, the executable's.
func FindSource() (string, error) {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "lab", "components")); err == nil {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("find the source tree (a directory with lab/components) at or above %s: not there; give --source", strings.Join(starts, " or "))
}
