package build

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// goComponent is one "go build" of one or more executables.
type goComponent struct {
	name string
	// dir is the module's or package's directory below the source root.
	dir string
	// packages to build, relative to dir unless they are import paths.
	packages []string
	ldflags  []string
	// links are further names of the first executable.
	links []string
	// keep narrows the files which the cache key covers; nil means goSource.
	keep func(rel string, dir bool) bool
}

// Versions of what is built, as the binaries report them; the modules below
// lab/components pin the sources.
const (
	kubernetesVersion = "v1.36.3"
	istioCommit       = "eed52ebb66ad"
	istioVersion      = "1.31.0-alpha." + istioCommit
)

// Versions lists what the lab is made of, a name and a version each.
func Versions() []string {
	return []string{
		"kubernetes " + kubernetesVersion,
		"istio " + istioVersion,
		"envoy " + envoyVersion,
		"debian " + baseSuite,
	}
}

// goComponents lists every executable built from Go, the slowest first.
func goComponentList() []goComponent {
	return []goComponent{
		{
			name: "kubernetes", dir: "lab/components/kubernetes", packages: []string{"./kube", "./etcd"},
			ldflags: []string{
				"-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion,
				"-X k8s.io/component-base/version.gitMajor=1",
				"-X k8s.io/component-base/version.gitMinor=36",
			},
			links: []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"},
		},
		{
			name: "istio", dir: "lab/components/istio",
			packages: []string{"istio.io/istio/pilot/cmd/pilot-discovery", "istio.io/istio/pilot/cmd/pilot-agent", "istio.io/istio/istioctl/cmd/istioctl"},
			ldflags: []string{
				"-X istio.io/istio/pkg/version.buildVersion=" + istioVersion,
				"-X istio.io/istio/pkg/version.buildGitRevision=" + istioCommit,
				"-X istio.io/istio/pkg/version.buildStatus=Clean",
			},
		},
		{name: "coredns", dir: "lab/components/coredns", packages: []string{"."}},
		{name: "lab", dir: "lab", packages: []string{"./cmd/lab"}, keep: labSource},
		{name: "pause", dir: "lab", packages: []string{"./cmd/pause"}, keep: pauseSource},
		{name: "eastwest-agent", dir: ".", packages: []string{"./cmd/eastwest-agent"}, keep: agentSource},
		{name: "helloworld", dir: "samples/helloworld", packages: []string{"."}},
	}
}

// labSource leaves out the components, which are modules of their own.
func labSource(rel string, dir bool) bool {
	return goSource(rel, dir) && rel != "components" && rel != "e2e" && rel != "bench"
}

// agentSource is what the agent's binary is made of, and nothing of the lab or
// the installer.
func agentSource(rel string, dir bool) bool {
	top, rest, _ := strings.Cut(rel, string(filepath.Separator))
	switch top {
	case "go.mod", "go.sum", "api", "discovery", "internal":
		return goSource(rel, dir)
	case "cmd":
		return goSource(rel, dir) && (rest == "" || strings.HasPrefix(rest, "eastwest-agent"))
	}
	return false
}

// pauseSource is one package which imports nothing of ours.
func pauseSource(rel string, dir bool) bool {
	if dir {
		return rel == "cmd" || rel == filepath.Join("cmd", "pause")
	}
	return goSource(rel, dir) && filepath.Dir(rel) == filepath.Join("cmd", "pause")
}

// goComponents builds them one after the other: each build uses every core.
func (b *builder) goComponents(ctx context.Context) (map[string]string, error) {
	dirs := map[string]string{}
	for _, c := range goComponentList() {
		dir, err := b.goComponent(ctx, c)
		if err != nil {
			return nil, err
		}
		dirs[c.name] = dir
	}
	return dirs, nil
}

func (b *builder) goComponent(ctx context.Context, c goComponent) (string, error) {
	keep := c.keep
	if keep == nil {
		keep = goSource
	}
	sources, err := hashTree(filepath.Join(b.source, c.dir), keep)
	if err != nil {
		return "", err
	}
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags=" + strings.Join(append([]string{"-s -w"}, c.ldflags...), " ")}
	parts := append([]string{b.goVersion, sources}, append(flags, c.packages...)...)
	return b.make(ctx, c.name, keyOf(append(parts, c.links...)...), func(dir string) error {
		args := append([]string{"build"}, flags...)
		// The trailing slash makes a directory of the target even for one package.
		args = append(append(args, "-o", dir+"/"), c.packages...)
		err := runCommand(ctx, command{
			dir:  filepath.Join(b.source, c.dir),
			env:  []string{"CGO_ENABLED=0", "GOWORK=off", "GOOS=linux", "GOARCH=amd64"},
			args: append([]string{"go"}, args...),
		})
		if err != nil {
			return err
		}
		for _, link := range c.links {
			if err := os.Symlink(filepath.Base(c.packages[0]), filepath.Join(dir, link)); err != nil {
				return err
			}
		}
		return nil
	})
}
