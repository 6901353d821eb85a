package build

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/lab/internal/image"
)

// Hub and Tag make the image names of the lab: lab.local/NAME:lab. The host
// name does not exist, so that an image which was not loaded fails at once.
// Istio's own images carry its version as tag, as released ones do.
const (
	Hub      = "lab.local"
	Tag      = "lab"
	IstioTag = istioVersion
)

// ImageName is the full reference of an image by its short name.
func ImageName(short string) string {
	if slices.Contains(MeshImages(), short) {
		return Hub + "/" + short + ":" + IstioTag
	}
	return Hub + "/" + short + ":" + Tag
}

// NodeImages are needed by every cluster, MeshImages by those with Istio;
// AgentImages are for all; MeshImages for clusters with Istio, PlainImages for
// those without; SampleImages are the workloads of demo and tests.
func NodeImages() []string { return []string{"pause", "coredns"} }

// AgentImages lists the image of our agent.
func AgentImages() []string { return []string{"eastwest-agent"} }

// PlainImages lists the images of clusters without Istio, beside the agent's.
func PlainImages() []string { return []string{"eastwest-gateway"} }

// MeshImages lists the images of Istio's control plane and proxies.
func MeshImages() []string { return []string{"pilot", "proxyv2"} }

// SampleImages lists the images of the sample workloads.
func SampleImages() []string { return []string{"sleep", "helloworld-v1", "helloworld-v2", "netshoot"} }

// imageInputs are the results images are made from.
type imageInputs struct {
	dirs map[string]string
	// base and net are Debian layers.
	base, net string
	envoy     string
}

// recipe is one image: the files it adds, on a base layer or on none.
type recipe struct {
	name       string
	base       string
	files      []image.File
	user       string
	env        []string
	entrypoint []string
	cmd        []string
}

const bootstrapTemplate = "tools/packaging/common/envoy_bootstrap.json"

func recipes(in imageInputs, bootstrap string) []recipe {
	bin := func(component, name string) image.File {
		return image.File{Path: "usr/local/bin/" + name, Source: filepath.Join(in.dirs[component], name), Mode: 0o755}
	}
	only := func(name, component string, env ...string) recipe {
		return recipe{name: name, files: []image.File{bin(component, component)}, env: env, entrypoint: []string{"/usr/local/bin/" + component}}
	}
	return []recipe{
		only("pause", "pause"),
		only("coredns", "coredns"),
		only("helloworld-v1", "helloworld", "SERVICE_VERSION=v1"),
		only("helloworld-v2", "helloworld", "SERVICE_VERSION=v2"),
		{
			name: "eastwest-agent", user: "65532", files: []image.File{bin("eastwest-agent", "eastwest-agent")},
			entrypoint: []string{"/usr/local/bin/eastwest-agent"},
		},
		{
			name: "eastwest-gateway", base: in.base, user: "65532", entrypoint: []string{"/usr/local/bin/envoy"},
			files: []image.File{
				bin("eastwest-agent", "eastwest-agent"),
				{Path: "usr/local/bin/envoy", Source: in.envoy, Mode: 0o755},
			},
		},
		{name: "sleep", base: in.base, cmd: []string{"/bin/sleep", "infinity"}},
		{name: "netshoot", base: in.net, cmd: []string{"/bin/sleep", "infinity"}},
		{
			// The istiod pod has runAsNonRoot, so the image needs a numeric user.
			name: "pilot", user: "1337", files: []image.File{bin("istio", "pilot-discovery")},
			entrypoint: []string{"/usr/local/bin/pilot-discovery"},
		},
		{
			name: "proxyv2", base: in.base, entrypoint: []string{"/usr/local/bin/pilot-agent"},
			files: []image.File{
				bin("istio", "pilot-agent"),
				{Path: "usr/local/bin/envoy", Source: in.envoy, Mode: 0o755},
				{Path: "var/lib/istio/envoy/envoy_bootstrap_tmpl.json", Source: bootstrap, Mode: 0o644},
			},
		},
	}
}

// images builds the archives of all images, by short name.
func (b *builder) images(ctx context.Context, in imageInputs) (map[string]string, error) {
	istio, err := b.moduleDir(ctx, "lab/components/istio", "istio.io/istio")
	if err != nil {
		return nil, err
	}
	archives := map[string]string{}
	for _, r := range recipes(in, filepath.Join(istio, bootstrapTemplate)) {
		key, err := r.key()
		if err != nil {
			return nil, err
		}
		dir, err := b.make(ctx, "image-"+r.name, key, func(dir string) error { return r.write(dir) })
		if err != nil {
			return nil, err
		}
		archives[r.name] = filepath.Join(dir, "image.tar")
	}
	return archives, nil
}

// moduleDir asks the Go toolchain where a dependency's sources are.
func (b *builder) moduleDir(ctx context.Context, dir, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir, cmd.Env = filepath.Join(b.source, dir), append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find sources of %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// key follows from where the inputs lie: their paths hold their own keys. A
// file from outside the cache may change in place, so its size and time count.
func (r recipe) key() (string, error) {
	parts := []string{"image 1", ImageName(r.name), r.user, strings.Join(r.env, " "), strings.Join(r.entrypoint, " "), strings.Join(r.cmd, " ")}
	if r.base != "" {
		parts = append(parts, r.base)
	}
	for _, f := range r.files {
		info, err := os.Stat(f.Source)
		if err != nil {
			return "", fmt.Errorf("image %s: %w", r.name, err)
		}
		parts = append(parts, f.Path, f.Source, fmt.Sprint(info.Size(), info.ModTime().UnixNano()))
	}
	return keyOf(parts...), nil
}

func (r recipe) write(dir string) error {
	img := image.Image{Name: ImageName(r.name), User: r.user, Env: r.env, Entrypoint: r.entrypoint, Cmd: r.cmd}
	if r.base != "" {
		img.Layers = append(img.Layers, r.base)
	}
	if len(r.files) > 0 {
		layer := filepath.Join(dir, "layer.tar")
		if err := writeLayer(layer, func(w *bufio.Writer) error { return image.WriteFiles(w, r.files) }); err != nil {
			return err
		}
		defer os.Remove(layer)
		img.Layers = append(img.Layers, layer)
	}
	return writeLayer(filepath.Join(dir, "image.tar"), func(w *bufio.Writer) error { return image.Write(w, img) })
}
